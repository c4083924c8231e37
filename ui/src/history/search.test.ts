import { expect, test } from "vitest";
import type { AlertEvent } from "../api/oncall";
import { foldedTrail } from "../alerts/events";
import { matchersIn, pageOf } from "./search";

const event = (kind: string, words = kind): AlertEvent => ({ at: "", kind, words, fingerprint: "", receiver: "", integration: "", reason: "", detail: "", labels: {} });

test("pages are read on until there is something of the wanted kinds", async () => {
  const asked: number[] = [];
  const page = await pageOf(
    async (before) => {
      asked.push(before);
      return { events: before === 3 ? [event("delivered")] : [event("decided")], nextBefore: { 0: 9, 9: 3 }[before] ?? 0 };
    },
    ["delivered"],
    0,
  );
  expect(asked).toEqual([0, 9, 3]);
  expect(page).toEqual({ events: [event("delivered")], nextBefore: 0 });
});

test("matchers of a text, or the text for the server to judge", () => {
  expect(matchersIn('{a="b", c=~"d"}')).toEqual(['a="b"', 'c=~"d"']);
  expect(matchersIn("nonsense")).toEqual(["nonsense"]);
  expect(matchersIn("")).toEqual([]);
});

test("the same decision again and again is one line", () => {
  const told = [event("firing"), event("decided", "x"), event("decided", "y"), event("decided", "x"), event("decided", "y"), event("delivered"), event("decided", "x")];
  expect(foldedTrail(told).map((one) => [one.event.words, one.times])).toEqual([["firing", 1], ["x", 2], ["y", 2], ["delivered", 1], ["x", 1]]);
});
