import { expect, test } from "vitest";
import type { Line } from "../charts/lines";
import { contributors, inPlace } from "./contributors";

function line(route: string, values: (number | null)[], query = 0): Line {
  return { key: `${query}/${route}`, name: route, metric: { route }, query, values };
}
function rows(lowIsBad: boolean, ...lines: Line[]): string[] {
  return contributors({ times: [1, 2, 3, 4], lines }, lowIsBad).map((row) => row.name);
}

test("the worst of now come first; what has ended comes last", () => {
  const lines = [line("/a", [1, 1, 1, 1]), line("/old", [9, null, null, null]), line("/b", [0, 0, 0, 2])];
  expect(rows(false, ...lines)).toEqual(["/b", "/a", "/old"]);
  expect(rows(true, ...lines)).toEqual(["/a", "/b", "/old"]);
});

test("a row has its worst value and how much of it there is", () => {
  const found = contributors({ times: [1, 2], lines: [line("/a", [5, 2]), line("/a", [30, 40], 1)] }, false);
  expect(found).toMatchObject([{ name: "/a", now: 2, worst: 5, amount: 40 }]);
});

test("a row keeps its place while values change, and a new one takes the place of one that left", () => {
  const now = (...lines: Line[]) => contributors({ times: [1], lines }, false);
  const names = (rows: ReturnType<typeof now>): string[] => rows.map((row) => row.name);
  const before = ["0//a", "0//b", "0//c"];
  expect(names(inPlace(now(line("/c", [9]), line("/b", [5]), line("/a", [1])), before))).toEqual(["/a", "/b", "/c"]);
  expect(names(inPlace(now(line("/c", [9]), line("/new", [7]), line("/a", [1])), before))).toEqual(["/a", "/new", "/c"]);
  expect(names(inPlace(now(line("/d", [9]), line("/a", [1])), ["0//a"]))).toEqual(["/a", "/d"]);
  expect(names(inPlace(now(line("/b", [5]), line("/a", [1])), []))).toEqual(["/b", "/a"]);
});

test("ten rows at most, and none without a value", () => {
  const many = Array.from({ length: 12 }, (_, index) => line(`/${index}`, [index]));
  expect(rows(false, ...many, line("/none", [null]))).toHaveLength(10);
});
