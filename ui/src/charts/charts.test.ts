import { expect, test } from "vitest";
import { formatSeconds } from "../lib/format";
import { fitting } from "./axis";
import { csvOf } from "./export";
import type { Lines } from "./lines";
import { scaleOf } from "./marks";
import { summarise, trendOf } from "./summary";

function lines(...columns: (readonly [string, (number | null)[]])[]): Lines {
  const times = (columns[0]?.[1] ?? []).map((_, cell) => 1_700_000_000 + cell * 60);
  return { times, lines: columns.map(([name, values]) => ({ key: name, name, metric: {}, query: 0, values })) };
}
const minute = (seconds: number): string => `minute ${(seconds - 1_700_000_000) / 60}`;

test("a chart is told with its newest value, its trend and its extremes", () => {
  const told = summarise(lines(["p95", [0.5, 1, null, 2, 1.5, null]]), "seconds", minute);
  expect(told).toBe("p95 now 1.5 s, rising, lowest 500 ms at minute 0, highest 2 s at minute 3");
});

test("what is steady, empty or too much is told in few words", () => {
  expect(summarise(lines(["up", [1, 1, 1]]), "count", minute)).toBe("up now 1, steady");
  expect(summarise(lines(["up", [null, null]]), "count", minute)).toBe("up without data");
  expect(summarise(lines(), "count", minute)).toBe("no data");
  const many = lines(...Array.from({ length: 7 }, (_, index) => [`cpu${index}`, [1]] as [string, number[]]));
  expect(summarise(many, "count", minute)).toMatch(/; and 2 more lines$/);
});

test.each([
  [[1, 1.1], "level"],
  [[1, 2], "rising"],
  [[2, 1], "falling"],
  [[0, 0], "level"],
  [[5, 9, 9, 9, 5], "level"],
] as [number[], string][])("the trend of %j is %s", (values, trend) => {
  expect(trendOf(values)).toBe(trend);
});

test("a table has a row a step, an empty cell where nothing was, and quotes what would break it", () => {
  expect(csvOf(lines(['say "a", b', [1, null]]))).toBe(
    'time,"say ""a"", b"\n2023-11-14T22:13:20.000Z,1\n2023-11-14T22:14:20.000Z,\n',
  );
});

test.each([
  ["far thresholds do not flatten a healthy line", 0, 0.01, "free", 0.0108],
  ["a near threshold is shown", 0, 0.5, "free", 1.08],
  ["a share that is large is shown out of the whole", 0, 0.7, "share", 1],
  ["nothing at all still has a height", 0, 0, "share", 0.1],
  ["the score is out of 100", 40, 60, "score", 100],
] as [string, number, number, "free" | "share" | "score", number][])("%s", (_, low, high, bounds, top) => {
  const thresholds = [{ value: 1, severity: "warning" as const }];
  expect(scaleOf(low, high, bounds === "share" ? [] : thresholds, bounds)[1]).toBeCloseTo(top);
});

test("a time that would touch the axis at the left or be cut off at the right has no name", () => {
  expect(fitting(["22:00", "23:00", "00:00"], [0, 10, 19.9], 20, 0.33, 0.75)).toEqual(["", "23:00", ""]);
  expect(fitting(["22:00", "23:00"], [0.8, 19.6], 20, 0.33, 0.75)).toEqual(["22:00", "23:00"]);
});

test.each([
  [0.0009996, "1 ms"],
  [0.000999, "999 µs"],
  [0.99996, "1 s"],
  [0.9, "900 ms"],
  [60, "1 min"],
  [90, "90 s"],
  [3600, "1 h"],
  [5400, "90 min"],
])("%f s are %s", (seconds, words) => {
  expect(formatSeconds(seconds)).toBe(words);
});
