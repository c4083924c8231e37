import { expect, test } from "vitest";
import type { Lines } from "../charts/lines";
import { usualOf } from "./judge";

function score(...values: (number | null)[]): Lines {
  return { times: values.map((_, cell) => cell), lines: [{ key: "", name: "", metric: {}, query: 0, values }] };
}

test.each([
  ["a bad start and a bad end do not hide what is usual", [73, 97, 96, 97, 98, null, 74], 97],
  ["gaps are no values", [null, 90, null], 90],
  ["nothing is known of nothing", [null], null],
] as [string, (number | null)[], number | null][])("%s", (_, values, usual) => {
  expect(usualOf(score(...values))).toBe(usual);
});
