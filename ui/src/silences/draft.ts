// A silence while it is filled in, and what of it is sent.

import type { NewSilence, ScheduleInterval, Silence } from "../api/oncall";
import { matcherText, parseMatchers, type Matcher } from "../alerts/matchers";
import { inZone, momentOf } from "../charts/window";

export const WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] as const;
export const HOURS = [1, 2, 4, 8, 24, 72] as const;

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
  from: string;
  to: string;
  location: string;
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
    from: "22:00",
    to: "24:00",
    location,
    reason: "",
    confirmed: false,
  };
}

/** To go on with a silence: changed where it still holds, made anew where it has ended. */
export function draftOf(silence: Silence, location: string, nowMs: number, utc: boolean): Draft {
  const draft = newDraft(silence.matchers.flatMap(parseMatchers), location, nowMs, utc);
  const interval = silence.schedule?.[0];
  const hasEnded = silence.state === "expired";
  return {
    ...draft,
    id: hasEnded ? "" : silence.id,
    hours: hasEnded ? 2 : null,
    until: hasEnded ? draft.until : inZone(Date.parse(silence.endsAt) / 1000, utc).slice(0, 16),
    reason: silence.comment,
    recurs: interval !== undefined,
    weekdays: interval?.weekdays ? interval.weekdays.flatMap(daysOf) : draft.weekdays,
    from: interval?.times?.[0]?.start_time ?? draft.from,
    to: interval?.times?.[0]?.end_time ?? draft.to,
    location: interval?.location ?? location,
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
  if (draft.recurs && !draft.weekdays.length) return "Choose at least one day.";
  if (draft.recurs && draft.from >= draft.to) return "On a day, the beginning must be before the end; 24:00 is the end of the day.";
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
    ...(draft.recurs ? { schedule: [intervalOf(draft)] } : {}),
    ...(draft.confirmed ? { confirmed: true } : {}),
  };
}

function intervalOf(draft: Draft): ScheduleInterval {
  return {
    weekdays: WEEKDAYS.filter((day) => draft.weekdays.includes(day)),
    times: [{ start_time: draft.from, end_time: draft.to }],
    location: draft.location,
  };
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

/** `sat, sun 22:00–24:00 (Europe/Berlin)`. */
export function scheduleWords(schedule: readonly ScheduleInterval[]): string {
  return schedule
    .map((one) => {
      const days = one.weekdays?.flatMap(daysOf).map((day) => day.slice(0, 3)).join(", ") ?? "every day";
      const times = one.times?.map((time) => `${time.start_time}–${time.end_time}`).join(", ") ?? "all day";
      return `${days} ${times}${one.location ? ` (${one.location})` : ""}`;
    })
    .join("; ");
}
