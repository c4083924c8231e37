// Numbers, times and durations for people.

import { zone } from "./zone.svelte";

export type Unit = "seconds" | "percent" | "ratio" | "perSecond" | "bytes" | "count" | "score";

function significant(value: number): string {
  const size = Math.abs(value);
  if (size >= 100) return value.toFixed(0);
  if (size >= 10) return value.toFixed(1).replace(/\.0$/, "");
  return value.toFixed(2).replace(/\.?0+$/, "");
}

function scaled(value: number, base: number, units: readonly string[]): string {
  let index = 0;
  let rest = value;
  while (Math.abs(rest) >= base && index < units.length - 1) {
    rest /= base;
    index += 1;
  }
  return `${significant(rest)}${units[index] ?? ""}`;
}

export function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export function formatSeconds(value: number): string {
  const size = Math.abs(value);
  if (size === 0) return "0 s";
  // Up to what is rounded to a thousand of the smaller unit.
  if (size < 0.0009995) return `${significant(value * 1e6)} µs`;
  if (size < 0.9995) return `${significant(value * 1e3)} ms`;
  if (size < 120 && size !== 60) return `${significant(value)} s`;
  if (size < 7200 && size !== 3600) return `${significant(value / 60)} min`;
  return `${significant(value / 3600)} h`;
}

export function formatValue(value: number | null | undefined, unit: Unit): string {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  switch (unit) {
    case "seconds":
      return formatSeconds(value);
    case "percent":
      return `${significant(value)} %`;
    case "ratio":
      return `${significant(value * 100)} %`;
    case "perSecond":
      return `${scaled(value, 1000, ["", "k", "M", "G"])}/s`;
    case "bytes":
      return scaled(value, 1024, [" B", " KiB", " MiB", " GiB", " TiB"]);
    case "score":
      return value.toFixed(0);
    case "count":
      return scaled(value, 1000, ["", "k", "M", "G"]);
  }
}

export function formatAgo(from: Date, nowMs: number): string {
  return formatDuration((nowMs - from.getTime()) / 1000);
}

/** `8 min 10 s`: how long something lasted. */
export function formatDuration(lasted: number): string {
  const seconds = Math.max(0, Math.round(lasted));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return `${Math.floor(minutes / 1440)} d ${Math.floor((minutes % 1440) / 60)} h`;
}

export function formatTime(moment: Date): string {
  return moment.toLocaleString(undefined, {
    timeZone: zone.name,
    month: "short",
    day: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hour12: false,
  });
}

/** `Nov 26, 17:00 – 18:00`: the second day only where it is another. */
export function formatSpan(fromS: number, toS: number): string {
  const clock: Intl.DateTimeFormatOptions = { timeZone: zone.name, hour: "2-digit", minute: "2-digit", hour12: false };
  const day: Intl.DateTimeFormatOptions = { timeZone: zone.name, month: "short", day: "numeric" };
  if (toS - fromS < 600) clock.second = "2-digit";
  const [from, to] = [new Date(fromS * 1000), new Date(toS * 1000)];
  const sameDay = from.toLocaleDateString(undefined, day) === to.toLocaleDateString(undefined, day);
  return `${from.toLocaleString(undefined, { ...day, ...clock })} – ${to.toLocaleString(undefined, sameDay ? clock : { ...day, ...clock })}`;
}

export function parseValue(text: string): number {
  if (text === "+Inf") return Infinity;
  if (text === "-Inf") return -Infinity;
  return Number(text);
}

const UNIT_S: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86400 };

export function parseRange(text: string): number | null {
  const match = /^(\d+)([smhd])$/.exec(text);
  return match ? Number(match[1]) * (UNIT_S[match[2] ?? "s"] ?? 1) : null;
}

const UNIT_WORDS: Record<string, readonly [string, string]> = {
  s: ["second", "seconds"],
  m: ["minute", "minutes"],
  h: ["hour", "hours"],
  d: ["day", "days"],
};

/** `12 hours` of `12h`. */
export function rangeWords(text: string): string {
  const match = /^(\d+)([smhd])$/.exec(text);
  const words = UNIT_WORDS[match?.[2] ?? ""];
  return match && words ? `${match[1]} ${Number(match[1]) === 1 ? words[0] : words[1]}` : text;
}
