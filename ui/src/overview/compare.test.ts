import { expect, test } from "vitest";
import type { Lines } from "../charts/lines";
import { twins, valueBefore, wordOf } from "./compare";

function lines(...rows: [string, number, (number | null)[]][]): Lines {
  return { times: [100, 110, 120], lines: rows.map(([name, query, values]) => ({ key: `${query}/${name}`, name, metric: {}, query, values })) };
}

test("an earlier line is drawn beside its own line of now, and not without it", () => {
  const now = lines(["a", 0, [1, 2, 3]], ["b", 0, [1, 2, 3]]);
  expect(twins(lines(["b", 0, [7, 8, 9]], ["gone", 0, [1, 1, 1]]), now).lines.map((line) => line.name)).toEqual(["b"]);
});

test("what a single line was at that moment of the earlier day", () => {
  const earlier = lines(["p95", 2, [7, null, 9]]);
  expect(valueBefore(earlier, 2, 104)).toBe(7);
  expect(valueBefore(earlier, 2, 115)).toBeNull();
  expect(valueBefore(earlier, 0, 104)).toBeNull();
  expect(valueBefore(earlier, 2, 50)).toBeNull();
  expect(valueBefore(lines(["a", 0, [1, 1, 1]], ["b", 0, [1, 1, 1]]), 0, 104)).toBeNull();
});

test("an offset in words", () => expect(wordOf(7 * 86400)).toBe("last week"));
