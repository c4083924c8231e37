// A silence while it is filled in, and what of it is sent.

import type { NewSilence, ScheduleInterval, Silence } from "../api/oncall";
import { matcherText, parseMatchers, type Matcher } from "../alerts/matchers";
import { inZone, momentOf } from "../charts/window";

export const WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] as const;
export const HOURS = [1, 2, 4, 8, 24, 72] as const;

/** `22:00` to `06:00` */
export interface Clock {
  from: string;
  to: string;
}

export interface Draft {
  /** of the silence that is changed; empty: a new one */
  id: string;
  matchers: Matcher[];
  /** null: until `until` */
  hours: number | null;
  /** as a datetime-local field holds it */
  until: string;
  recurs: boolean;
  weekdays: string[];
  /** of each of the days; one whose end is not after its beginning ends on the next day */
  spans: Clock[];
  location: string;
  /** a schedule that the form has no fields for; it is sent as it was */
  kept: readonly ScheduleInterval[] | null;
  reason: string;
  confirmed: boolean;
}

export function newDraft(matchers: readonly Matcher[], location: string, nowMs: number, utc: boolean): Draft {
  return {
    id: "",
    matchers: matchers.length ? [...matchers] : [emptyMatcher()],
    hours: 2,
    until: inZone(nowMs / 1000 + 7200, utc).slice(0, 16),
    recurs: false,
    weekdays: ["saturday", "sunday"],
    spans: [{ from: "22:00", to: "06:00" }],
    location,
    kept: null,
    reason: "",
    confirmed: false,
  };
}

/** To go on with a silence: changed where it still holds, made anew where it has ended. */
export function draftOf(silence: Silence, location: string, nowMs: number, utc: boolean): Draft {
  const draft = newDraft(silence.matchers.flatMap(parseMatchers), location, nowMs, utc);
  const schedule = silence.schedule ?? [];
  const daily = dailyOf(schedule);
  const hasEnded = silence.state === "expired";
  return {
    ...draft,
    id: hasEnded ? "" : silence.id,
    hours: hasEnded ? 2 : null,
    until: hasEnded ? draft.until : inZone(Date.parse(silence.endsAt) / 1000, utc).slice(0, 16),
    reason: silence.comment,
    recurs: schedule.length > 0,
    ...daily,
    kept: schedule.length && !daily ? schedule : null,
  };
}

export function emptyMatcher(): Matcher {
  return { name: "", value: "", isRegex: false, isEqual: true };
}

export function matcherTexts(draft: Draft): string[] {
  return draft.matchers.filter((one) => one.name.trim() !== "").map((one) => matcherText({ ...one, name: one.name.trim() }));
}

/** What is missing before it can be sent, in words; empty where nothing is. */
export function missingIn(draft: Draft, person: string, nowMs: number, utc: boolean): string {
  if (!matcherTexts(draft).length) return "Name at least one label.";
  const endS = momentOf(draft.until, utc);
  if ((draft.hours === null || draft.recurs) && (endS === null || endS * 1000 <= nowMs)) return "The end must lie ahead.";
  const asksDays = draft.recurs && !draft.kept;
  if (asksDays && !draft.weekdays.length) return "Choose at least one day.";
  if (asksDays && !draft.spans.every(({ from, to }) => BEGINS.test(from) && ENDS.test(to))) return "Write times of the day as 22:00; 24:00 is the end of the day.";
  if (asksDays && draft.spans.some(({ from, to }) => from === to)) return "A span begins and ends at the same time; the whole day is 00:00 to 24:00.";
  if (!draft.reason.trim()) return "Say why, for those who wonder.";
  return person.trim() ? "" : "Say who you are.";
}

export function asAsked(draft: Draft, person: string, utc: boolean): NewSilence {
  const endS = momentOf(draft.until, utc);
  const ends = draft.hours !== null && !draft.recurs ? { duration: `${draft.hours}h` } : { endsAt: new Date((endS ?? 0) * 1000).toISOString() };
  return {
    ...(draft.id ? { id: draft.id } : {}),
    matchers: matcherTexts(draft),
    ...ends,
    createdBy: person.trim(),
    comment: draft.reason.trim(),
    ...(draft.recurs ? { schedule: scheduleOf(draft) } : {}),
    ...(draft.confirmed ? { confirmed: true } : {}),
  };
}

const BEGINS = /^([01]\d|2[0-3]):[0-5]\d$/;
const ENDS = /^(([01]\d|2[0-3]):[0-5]\d|24:00)$/;
const MIDNIGHT = "24:00";

/** Whether a span goes on into the next day. */
export function isOvernight({ from, to }: Clock): boolean {
  return to !== "00:00" && to < from;
}

/** As Alertmanager's time intervals have it, where no span passes midnight: its rest belongs to the next day. */
export function scheduleOf(draft: Draft): ScheduleInterval[] {
  if (draft.kept) return [...draft.kept];
  const { location } = draft;
  const ends = (span: Clock): string => (isOvernight(span) || span.to === "00:00" ? MIDNIGHT : span.to);
  const nights = draft.spans.filter(isOvernight);
  const own = { weekdays: inWeek(draft.weekdays), times: draft.spans.map((span) => ({ start_time: span.from, end_time: ends(span) })), location };
  const rest = { weekdays: nextDays(draft.weekdays), times: nights.map((span) => ({ start_time: "00:00", end_time: span.to })), location };
  return nights.length ? [own, rest] : [own];
}

/** The days and spans of a schedule that the form could have made; null of any other. */
export function dailyOf(schedule: readonly ScheduleInterval[]): Pick<Draft, "weekdays" | "spans" | "location"> | null {
  const [own, rest, ...more] = schedule;
  if (!own?.times || more.length) return null;
  const weekdays = own.weekdays ? inWeek(own.weekdays.flatMap(daysOf)) : [...WEEKDAYS];
  const ends = [...(rest?.times ?? [])];
  const restDays = rest?.weekdays?.flatMap(daysOf) ?? [...WEEKDAYS];
  if (rest && (own.location !== rest.location || String(inWeek(restDays)) !== String(nextDays(weekdays)))) return null;
  const spans = own.times.map(({ start_time: from, end_time: to }) => {
    const morning = to === MIDNIGHT && ends[0]?.start_time === "00:00" && ends[0].end_time < from ? ends.shift() : undefined;
    return { from, to: morning?.end_time ?? to };
  });
  return ends.length ? null : { weekdays, spans, location: own.location ?? "UTC" };
}

function inWeek(days: readonly string[]): string[] {
  return WEEKDAYS.filter((day) => days.includes(day));
}
function nextDays(days: readonly string[]): string[] {
  return WEEKDAYS.filter((_, index) => days.includes(WEEKDAYS[(index + 6) % 7] ?? ""));
}

/** The days of `monday:friday`. */
export function daysOf(range: string): string[] {
  const [first = "", last = first] = range.split(":");
  const all: readonly string[] = WEEKDAYS;
  const [from, to] = [all.indexOf(first), all.indexOf(last)];
  return from <= to ? all.slice(from, to + 1) : [...all.slice(from), ...all.slice(0, to + 1)];
}

/** Whether one should think now of making it longer: less than an hour, or a tenth of it, is left. */
export function endsSoon(silence: Pick<Silence, "state" | "startsAt" | "endsAt">, nowMs: number): boolean {
  const [startMs, endMs] = [Date.parse(silence.startsAt), Date.parse(silence.endsAt)];
  return silence.state === "active" && endMs - nowMs < Math.min(3_600_000, (endMs - startMs) / 4);
}

/** `sat, sun 22:00–06:00 (Europe/Berlin)`. */
export function scheduleWords(schedule: readonly ScheduleInterval[]): string {
  const daily = dailyOf(schedule);
  if (daily) return intervalWords(daily.weekdays, daily.spans.map(({ from, to }) => `${from}–${to}`), daily.location);
  return schedule
    .map((one) => intervalWords(one.weekdays?.flatMap(daysOf) ?? [], one.times?.map((time) => `${time.start_time}–${time.end_time}`) ?? [], one.location))
    .join("; ");
}

function intervalWords(weekdays: readonly string[], times: readonly string[], location: string | undefined): string {
  const days = weekdays.length % 7 ? weekdays.map((day) => day.slice(0, 3)).join(", ") : "every day";
  return `${days} ${times.join(", ") || "all day"}${location ? ` (${location})` : ""}`;
}
