// Histogram buckets over time as cells: how much fell between two bounds at each step.

import type { MatrixSeries } from "../api/types";
import { parseValue } from "../lib/format";

export interface Heat {
  /** seconds */
  times: number[];
  /** from the lowest; `low` is -Infinity or 0 at the first, `high` Infinity at the last */
  rows: { low: number; high: number }[];
  /** rows × times, row by row; NaN where nothing is known */
  cells: Float64Array;
  max: number;
}

export interface HeatGrid {
  startS: number;
  endS: number;
  stepS: number;
}

/** Cumulative `le` series (those of one bound are added up) as cells; null where no series has a bound. */
export function heatOf(series: readonly MatrixSeries[], grid: HeatGrid): Heat | null {
  const count = Math.floor((grid.endS - grid.startS) / grid.stepS + 0.001) + 1;
  const byBound = new Map<number, Float64Array>();
  for (const one of series) {
    const le = one.metric["le"];
    if (le === undefined) continue;
    const bound = parseValue(le);
    if (Number.isNaN(bound)) continue;
    const sums = byBound.get(bound) ?? new Float64Array(count).fill(NaN);
    byBound.set(bound, sums);
    for (const [time, text] of one.values) {
      const cell = Math.round((time - grid.startS) / grid.stepS);
      const before = sums[cell] ?? NaN;
      sums[cell] = (Number.isNaN(before) ? 0 : before) + parseValue(text);
    }
  }
  if (byBound.size === 0) return null;
  const bounds = [...byBound.keys()].sort((a, b) => a - b);
  const cells = new Float64Array(bounds.length * count).fill(NaN);
  let max = 0;
  bounds.forEach((bound, row) => {
    const here = byBound.get(bound);
    const below = byBound.get(bounds[row - 1] ?? NaN);
    for (let step = 0; here && step < count; step += 1) {
      const all = here[step] ?? NaN;
      const under = below?.[step];
      // Scrapes do not read all buckets at one instant: a difference may come out a little below 0.
      const value = Math.max(0, all - (under === undefined || Number.isNaN(under) ? 0 : under));
      if (Number.isNaN(all)) continue;
      cells[row * count + step] = value;
      max = Math.max(max, value);
    }
  });
  const times = Array.from({ length: count }, (_, index) => grid.startS + index * grid.stepS);
  const rows = bounds.map((high, row) => ({ low: bounds[row - 1] ?? Math.min(0, high), high }));
  return { times, rows, cells, max };
}

/** The row in which most of it lies, for those who cannot see the picture; -1 where all is empty. */
export function fullestRow(heat: Heat): number {
  const sums = heat.rows.map((_, row) =>
    heat.cells.slice(row * heat.times.length, (row + 1) * heat.times.length).reduce((sum, one) => sum + (Number.isNaN(one) ? 0 : one), 0),
  );
  const most = Math.max(...sums);
  return most > 0 ? sums.indexOf(most) : -1;
}
