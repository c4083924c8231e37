// The same lines at an earlier time, to lay behind those of now.

import { LineStore, type Lines, type Query } from "../charts/lines";
import type { TimeWindow } from "../charts/window";

export const COMPARISONS: readonly { key: string; title: string; hotkey: string; offsetS: number }[] = [
  { key: "1d", title: "yesterday", hotkey: "c y", offsetS: 86400 },
  { key: "7d", title: "last week", hotkey: "c w", offsetS: 7 * 86400 },
];
/** How much beyond the window is asked for, so that a live chart need not ask again at each step. */
const AHEAD = 0.25;

export function offsetOf(key: string | null): number {
  return COMPARISONS.find((one) => one.key === key)?.offsetS ?? 0;
}

/** Of earlier lines those that are drawn now as well, so that each has a line to stand beside. */
export function twins(earlierLines: Lines, now: Lines): Lines {
  const keys = new Set(now.lines.map((line) => line.key));
  return { ...earlierLines, lines: earlierLines.lines.filter((line) => keys.has(line.key)) };
}

/** What an only line of a query was at the earlier moment that stands for `atS`; null where there are several, or none. */
export function valueBefore(earlierLines: Lines, query: number, atS: number): number | null {
  const [only, ...more] = earlierLines.lines.filter((line) => line.query === query);
  if (!only || more.length) return null;
  return only.values[earlierLines.times.findLastIndex((time) => time <= atS)] ?? null;
}

/** `yesterday`. */
export function wordOf(offsetS: number): string {
  return COMPARISONS.find((one) => one.offsetS === offsetS)?.title ?? "before";
}

/** Lines of `offsetS` before the window, moved into it. Raises ApiError. */
export async function earlier(
  queries: readonly Query[],
  window: TimeWindow,
  offsetS: number,
  nowS: number,
  signal: AbortSignal,
): Promise<Lines> {
  const toS = window.fixed?.toS ?? nowS + window.lengthS * AHEAD;
  const fromS = window.fixed?.fromS ?? nowS - window.lengthS;
  const fixed = { fromS: fromS - offsetS, toS: toS - offsetS };
  const store = new LineStore(queries, { fixed, lengthS: toS - fromS, stepS: window.stepS });
  const lines = await store.load(nowS, signal);
  return { ...lines, times: lines.times.map((time) => time + offsetS) };
}

