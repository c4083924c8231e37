// A line over time in slices: of each slice the worst moment, so that a short dip is never averaged away.

import type { Lines } from "../charts/lines";

/** (count,) the lowest value of the first line in each slice of [fromS, toS]; null where there is none. */
export function beats(lines: Lines | null, fromS: number, toS: number, count: number): (number | null)[] {
  const found = new Array<number | null>(count).fill(null);
  const width = (toS - fromS) / count;
  const values = lines?.lines[0]?.values ?? [];
  lines?.times.forEach((time, cell) => {
    const value = values[cell] ?? null;
    const slice = Math.min(count - 1, Math.floor((time - fromS) / width));
    const before = found[slice];
    if (value === null || slice < 0 || before === undefined) return;
    found[slice] = before === null ? value : Math.min(before, value);
  });
  return found;
}
