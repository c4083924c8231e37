// The rows of a signal's split: of every label value its course, its newest and its worst value, and how much there is.

import type { Line, Lines } from "../charts/lines";

export const MOST = 10;

export interface Contributor {
  name: string;
  line: Line;
  now: number | null;
  worst: number;
  amount: number | null;
}

/** The worst ten by their newest value. Query 0 holds the values, query 1 the amounts. */
export function contributors(lines: Lines | null, lowIsBad: boolean): Contributor[] {
  const amounts = new Map<string, number>();
  for (const line of lines?.lines ?? []) {
    const value = newest(line);
    if (line.query === 1 && value !== null) amounts.set(line.name, value);
  }
  const sign = lowIsBad ? -1 : 1;
  return (lines?.lines ?? [])
    .filter((line) => line.query === 0)
    .map((line) => {
      const known = line.values.filter((value) => value !== null);
      return {
        name: line.name,
        line,
        now: newest(line),
        worst: lowIsBad ? Math.min(...known) : Math.max(...known),
        amount: amounts.get(line.name) ?? null,
      };
    })
    .filter((row) => Number.isFinite(row.worst))
    .sort((a, b) => sign * ((b.now ?? -sign * Infinity) - (a.now ?? -sign * Infinity)) || sign * (b.worst - a.worst))
    .slice(0, MOST);
}

/** The same rows, each in the place it had: who is no longer among them leaves its place to who came in. */
export function inPlace(rows: readonly Contributor[], before: readonly string[]): Contributor[] {
  const known = new Map(rows.map((row) => [row.line.key, row]));
  const stay = before.map((key) => known.get(key));
  const fresh = rows.filter((row) => !before.includes(row.line.key));
  return [...stay.map((row) => row ?? fresh.shift()), ...fresh].filter((row) => row !== undefined);
}

/** The value of the last three steps; what ended before is not what it is now. */
function newest(line: Line): number | null {
  return line.values.slice(-3).findLast((value) => value !== null) ?? null;
}
