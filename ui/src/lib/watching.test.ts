import { expect, test } from "vitest";
import { everyOf, liveUrl } from "./watching";

const hear = (): void => undefined;

test.each([
  [5, 5],
  [10, 10],
  [20, 10],
  [60, 15],
  [7200, 15],
  [7, 1],
])("a step of %i s is watched every %i s", (stepS, everyS) => {
  expect(everyOf(stepS)).toBe(everyS);
});

test("panels share one address, whatever their order", () => {
  const [a, b] = [
    { queries: ["up", "x > 1"], everyS: 15, hear },
    { queries: ["up"], everyS: 5, hear },
  ];
  expect(liveUrl([a, b])).toBe(liveUrl([b, a]));
  expect(new URLSearchParams(liveUrl([a, b]).split("?")[1]).getAll("query")).toEqual(["up", "x > 1"]);
  expect(liveUrl([a, b])).toContain("every=5s");
});

test("a page that watches nothing hears the news", () => {
  expect(liveUrl([])).toBe("/api/backbeat/v1/live");
});
