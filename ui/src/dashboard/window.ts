// The stretch of time that a dashboard shows, and the grid of steps that it asks for.

import { parseRange } from "../lib/format";

export const RANGES = ["15m", "1h", "6h", "12h", "24h", "7d", "30d"] as const;
export const DEFAULT_RANGE = "1h";
const POINTS = 360;
const STEPS_S = [5, 10, 15, 20, 30, 60, 120, 180, 300, 600, 900, 1800, 3600, 7200, 14400];

export interface TimeWindow {
  /** null: up to now, moving on by itself */
  fixed: { fromS: number; toS: number } | null;
  lengthS: number;
  stepS: number;
}

export function windowOf(params: URLSearchParams): TimeWindow {
  const from = Number(params.get("from"));
  const to = Number(params.get("to"));
  if (from > 0 && to > from) {
    const [fromS, toS] = [from / 1000, to / 1000];
    return { fixed: { fromS, toS }, lengthS: toS - fromS, stepS: stepFor(toS - fromS) };
  }
  const lengthS = parseRange(params.get("range") ?? DEFAULT_RANGE) ?? 3600;
  return { fixed: null, lengthS, stepS: stepFor(lengthS) };
}

export function stepFor(lengthS: number): number {
  return STEPS_S.find((step) => lengthS / step <= POINTS) ?? Math.ceil(lengthS / POINTS);
}

/** The grid's edges at a moment: aligned to the step, so that a refresh meets the same steps again. */
export function edges(window: TimeWindow, nowS: number): { startS: number; endS: number } {
  const { fromS, toS } = window.fixed ?? { fromS: nowS - window.lengthS, toS: nowS };
  const endS = Math.floor(toS / window.stepS) * window.stepS;
  return { startS: Math.ceil(fromS / window.stepS) * window.stepS, endS };
}
