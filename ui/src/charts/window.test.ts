import { expect, test } from "vitest";
import { edges, inZone, momentOf, moved, stepFor, widened, windowOf } from "./window";

const now = 1_700_000_007;
const last = (range: string) => windowOf(new URLSearchParams({ range }));

test.each([
  [900, 5],
  [3600, 10],
  [12 * 3600, 120],
  [30 * 86400, 7200],
])("%i s are shown in steps of %i s", (lengthS, stepS) => {
  expect(stepFor(lengthS)).toBe(stepS);
});

test("a refresh a moment later asks for the same steps again", () => {
  const first = edges(last("1h"), now);
  expect(first.startS % 10).toBe(0);
  expect(edges(last("1h"), now + 2)).toEqual(first);
});

test("moving back fixes the window; moving forth never leads beyond now", () => {
  const back = moved(last("1h"), -0.5, now);
  expect(Number(back.to)).toBe((now - 1800) * 1000);
  const params = new URLSearchParams({ from: back.from ?? "", to: back.to ?? "" });
  expect(Number(moved(windowOf(params), 5, now).to)).toBe(now * 1000);
});

test("zooming out doubles, and stays live where it was", () => {
  expect(widened(last("1h"), now).range).toBe("2h");
  expect(widened(last("45m"), now).range).toBe("90m");
  const fixed = windowOf(new URLSearchParams({ from: "1000000", to: "2000000" }));
  expect(widened(fixed, now)).toMatchObject({ from: "500000", to: "2500000" });
});

test("what is not a range falls back to the usual one", () => {
  expect(windowOf(new URLSearchParams({ range: "soon", from: "5", to: "1" })).lengthS).toBe(3600);
});

test("a field's moment is read as it was written, in UTC too", () => {
  expect(inZone(0, true)).toBe("1970-01-01T00:00:00");
  for (const utc of [true, false]) expect(momentOf(inZone(now, utc), utc)).toBe(now);
  expect(momentOf("", true)).toBeNull();
});
