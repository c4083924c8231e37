// The stretch of time that a page shows, and the grid of steps that it asks for.

import { parseRange } from "../lib/format";

export const RANGES = ["5m", "15m", "30m", "1h", "3h", "6h", "12h", "24h", "2d", "7d", "14d", "30d"] as const;
export const DEFAULT_RANGE = "1h";
const POINTS = 360;
const MOST_POINTS = 2000;
const STEPS_S = [5, 10, 15, 20, 30, 60, 120, 180, 300, 600, 900, 1800, 3600, 7200, 14400];

export interface TimeWindow {
  /** null: up to now, moving on by itself */
  fixed: { fromS: number; toS: number } | null;
  lengthS: number;
  stepS: number;
}

export function windowOf(params: URLSearchParams, fallback: string = DEFAULT_RANGE): TimeWindow {
  const from = Number(params.get("from"));
  const to = Number(params.get("to"));
  // A finer picture, for a printout or a very wide wall.
  const points = Math.min(MOST_POINTS, Number(params.get("points")) || POINTS);
  if (from > 0 && to > from) {
    const [fromS, toS] = [from / 1000, to / 1000];
    return { fixed: { fromS, toS }, lengthS: toS - fromS, stepS: stepFor(toS - fromS, points) };
  }
  const lengthS = parseRange(params.get("range") ?? fallback) ?? 3600;
  return { fixed: null, lengthS, stepS: stepFor(lengthS, points) };
}

/** What of an address says which window is shown. */
export function rangeOf(params: URLSearchParams): string {
  return new URLSearchParams([...params].filter(([name]) => OF_RANGE.has(name))).toString();
}

export function stepFor(lengthS: number, points = POINTS): number {
  return STEPS_S.find((step) => lengthS / step <= points) ?? Math.ceil(lengthS / points);
}

/** The grid's edges at a moment: aligned to the step, so that a refresh meets the same steps again. */
export function edges(window: TimeWindow, nowS: number): { startS: number; endS: number } {
  const { fromS, toS } = window.fixed ?? { fromS: nowS - window.lengthS, toS: nowS };
  const endS = Math.floor(toS / window.stepS) * window.stepS;
  return { startS: Math.ceil(fromS / window.stepS) * window.stepS, endS };
}

const OF_RANGE = new Set(["range", "from", "to", "points"]);

/** A range as the address holds it; null takes a parameter away. */
export interface RangeParams {
  [name: string]: string | null;
  range: string | null;
  from: string | null;
  to: string | null;
}

export function rangeParams(fromS: number, toS: number): RangeParams {
  return { range: null, from: String(Math.round(fromS * 1000)), to: String(Math.round(toS * 1000)) };
}

/** The window moved by a part of its length; one that would reach beyond now ends now. */
export function moved(window: TimeWindow, part: number, nowS: number): RangeParams {
  const endS = Math.min(nowS, (window.fixed?.toS ?? nowS) + part * window.lengthS);
  return rangeParams(endS - window.lengthS, endS);
}

/** Twice as long around the same middle, not beyond now. */
export function widened(window: TimeWindow, nowS: number): RangeParams {
  const lengthS = window.lengthS * 2;
  if (!window.fixed) return { range: shortest(lengthS), from: null, to: null };
  const endS = Math.min(nowS, window.fixed.toS + window.lengthS / 2);
  return rangeParams(endS - lengthS, endS);
}

function shortest(lengthS: number): string {
  for (const [unit, size] of [["d", 86400], ["h", 3600], ["m", 60]] as const)
    if (lengthS % size === 0) return `${lengthS / size}${unit}`;
  return `${Math.round(lengthS)}s`;
}

/** A moment as a datetime-local field takes it, in local time or UTC. */
export function inZone(seconds: number, utc: boolean): string {
  const moment = new Date(seconds * 1000);
  const shiftMs = utc ? 0 : moment.getTimezoneOffset() * 60_000;
  return new Date(moment.getTime() - shiftMs).toISOString().slice(0, 19);
}

/** The seconds of a datetime-local field; null where it is not filled in. */
export function momentOf(text: string, utc: boolean): number | null {
  const ms = Date.parse(utc ? `${text}Z` : text);
  return Number.isNaN(ms) ? null : ms / 1000;
}
