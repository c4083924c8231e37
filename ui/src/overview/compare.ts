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

