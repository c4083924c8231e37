// A chart in a sentence, for those who do not see it.

import { formatValue, type Unit } from "../lib/format";
import type { Line, Lines } from "./lines";

/** How much the last fifth must differ from the first to be called a trend. */
const TREND = 0.15;

export function summarise(lines: Lines, unit: Unit, time: (seconds: number) => string): string {
  const told = lines.lines.slice(0, 5).map((line) => ofLine(line, lines.times, unit, time));
  const more = lines.lines.length - told.length;
  return [...told, ...(more > 0 ? [`and ${more} more lines`] : [])].join("; ") || "no data";
}

function ofLine(line: Line, times: readonly number[], unit: Unit, time: (seconds: number) => string): string {
  const cells = line.values.flatMap((value, cell) => (value === null ? [] : [{ value, at: times[cell] ?? 0 }]));
  const last = cells.at(-1);
  if (!last) return `${line.name} without data`;
  const highest = cells.reduce((best, one) => (one.value > best.value ? one : best));
  const lowest = cells.reduce((best, one) => (one.value < best.value ? one : best));
  const now = `${line.name} now ${formatValue(last.value, unit)}`;
  if (highest.value === lowest.value) return `${now}, steady`;
  const trend = trendOf(cells.map((one) => one.value));
  return `${now}, ${trend}, lowest ${formatValue(lowest.value, unit)} at ${time(lowest.at)}, highest ${formatValue(highest.value, unit)} at ${time(highest.at)}`;
}

export function trendOf(values: readonly number[]): "rising" | "falling" | "level" {
  const part = Math.max(1, Math.floor(values.length / 5));
  const mean = (some: readonly number[]): number => some.reduce((sum, one) => sum + one, 0) / some.length;
  const [before, after] = [mean(values.slice(0, part)), mean(values.slice(-part))];
  const size = Math.max(Math.abs(before), Math.abs(after));
  if (size === 0 || Math.abs(after - before) < TREND * size) return "level";
  return after > before ? "rising" : "falling";
}
