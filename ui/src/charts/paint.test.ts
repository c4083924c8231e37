import { afterEach, expect, test, vi } from "vitest";
import { paint, unpaint } from "./paint";

let nowMs = 0;
let frames: (() => void)[] = [];
vi.stubGlobal("requestAnimationFrame", (run: () => void) => frames.push(run));
vi.spyOn(performance, "now").mockImplementation(() => nowMs);

/** One frame: what it drew. */
function frame(drawn: string[]): string[] {
  const before = drawn.length;
  for (const run of frames.splice(0)) run();
  return drawn.slice(before);
}

const owners = new Map<string, object>();
function ownerOf(name: string): object {
  const owner = owners.get(name) ?? {};
  owners.set(name, owner);
  return owner;
}

function charts(drawn: string[], tookMs: number, ...names: string[]): void {
  for (const name of names)
    paint(ownerOf(name), () => {
      nowMs += tookMs;
      drawn.push(name);
    });
}

afterEach(() => {
  while (frames.length) frame([]);
});

test("what is dear is drawn one a frame, what is cheap together", () => {
  const drawn: string[] = [];
  charts(drawn, 5, "a", "b", "c");
  expect([frame(drawn), frame(drawn), frame(drawn), frames.length]).toEqual([["a"], ["b"], ["c"], 0]);
  charts(drawn, 0.1, "a", "b", "c");
  expect([frame(drawn), frames.length]).toEqual([["a", "b", "c"], 0]);
});

test("who asks twice is drawn once, as asked last, and who has gone not at all", () => {
  const drawn: string[] = [];
  const owner = {};
  paint(owner, () => drawn.push("first"));
  paint(owner, () => drawn.push("last"));
  const gone = {};
  paint(gone, () => drawn.push("gone"));
  unpaint(gone);
  expect(frame(drawn)).toEqual(["last"]);
});
