import { expect, test } from "vitest";
import { fullestRow, heatOf } from "./heat";

const grid = { startS: 0, endS: 10, stepS: 10 };
const series = (le: string, ...values: string[]) => ({
  metric: { le },
  values: values.map((value, index): [number, string] => [index * 10, value]),
});

test("cumulative buckets become what fell between two bounds", () => {
  const heat = heatOf([series("0.1", "1", "1"), series("+Inf", "4", "6"), series("0.5", "3", "2")], grid);
  expect(heat?.rows).toEqual([{ low: 0, high: 0.1 }, { low: 0.1, high: 0.5 }, { low: 0.5, high: Infinity }]);
  expect([...(heat?.cells ?? [])]).toEqual([1, 1, 2, 1, 1, 4]);
  expect(heat?.max).toBe(4);
  expect(heat && fullestRow(heat)).toBe(2);
});

test("series of one bound are added up, a bucket that lags is not negative", () => {
  const heat = heatOf([series("1", "2"), series("1", "3"), series("2", "4")], grid);
  expect([...(heat?.cells ?? [])]).toEqual([5, NaN, 0, NaN]);
});

test("series without a bound make no heat map", () => {
  expect(heatOf([{ metric: {}, values: [[0, "1"]] }], grid)).toBeNull();
});
