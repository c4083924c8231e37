// What a number means: its level by thresholds, a score's word, the periods in which an alert fired.

import type { Lines } from "../charts/lines";
import type { Period, Threshold } from "../charts/marks";
import type { Level } from "../ui/states";

export function levelOfValue(value: number | null, thresholds: readonly Threshold[], lowIsBad: boolean): Level {
  if (value === null) return "none";
  const reached = thresholds.filter((one) => (lowIsBad ? value < one.value : value > one.value));
  if (reached.some((one) => one.severity === "critical")) return "critical";
  return reached.length ? "warning" : "none";
}

/** 70 is the warning threshold of every signal, 50 the critical one. */
export function levelOfScore(score: number | null): Level {
  if (score === null) return "none";
  if (score < 50) return "critical";
  if (score < 70) return "warning";
  return score < 85 ? "info" : "good";
}

export const SCORE_WORDS: Readonly<Record<Level, string>> = {
  critical: "critical",
  warning: "degraded",
  info: "fair",
  good: "healthy",
  none: "no data",
};

/** The median of the only line: what is usual in this range, whatever it is now. */
export function usualOf(lines: Lines | null): number | null {
  const known = (lines?.lines[0]?.values ?? []).flatMap((value) => value ?? []).sort((a, b) => a - b);
  return known[Math.floor(known.length / 2)] ?? null;
}

/** The runs of steps in which an alert fired; a line of ALERTS each, one that still fires reaches the last step. */
export function periodsOf(lines: Lines | null): (Period & { signal: string })[] {
  const found: (Period & { signal: string })[] = [];
  for (const line of lines?.lines ?? []) {
    const { alertname = "", severity = "", signal = "" } = line.metric;
    let began = -1;
    line.values.forEach((value, cell) => {
      if (value !== null && began < 0) began = cell;
      const ends = value !== null && line.values[cell + 1] == null;
      if (!ends) return;
      const [fromS, toS] = [lines?.times[began] ?? 0, lines?.times[cell] ?? 0];
      found.push({ name: alertname, severity, signal, fromS, toS });
      began = -1;
    });
  }
  return found;
}

/** The newest value of a panel's headline: the largest of its lines, or the smallest where low is bad. */
export function headlineOf(lines: Lines | null, query: number, lowIsBad: boolean): { atS: number; value: number | null } {
  const own = (lines?.lines ?? []).filter((line) => line.query === query);
  for (let cell = (lines?.times.length ?? 0) - 1; cell >= 0; cell -= 1) {
    const values = own.flatMap((line) => line.values[cell] ?? []);
    if (values.length)
      return { atS: lines?.times[cell] ?? 0, value: lowIsBad ? Math.min(...values) : Math.max(...values) };
  }
  return { atS: 0, value: null };
}
