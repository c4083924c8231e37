// Which rules the page shows, and the newest values of recording rules.

import { queryVector } from "../api/client";
import type { LabelSet, Rule, RuleGroup, VectorSample } from "../api/types";
import { parseValue } from "../lib/format";

export const KINDS = ["firing", "pending", "failing", "alerting", "recording"] as const;

/** A rule's state as people call it, where they call it otherwise. */
export const STATE_WORDS: Readonly<Record<string, string>> = { err: "fails", unknown: "not evaluated yet", inactive: "quiet" };

export interface ShownRule {
  rule: Rule;
  /** file, group and place */
  id: string;
}

export interface ShownGroup extends Omit<RuleGroup, "rules"> {
  rules: ShownRule[];
}

/** What passes the filter; what asks for somebody comes first, all else as the files have it. */
export function chosenRules(groups: readonly RuleGroup[], text: string, name: string, kind: string): ShownGroup[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return groups
    .map((group) => ({
      ...group,
      rules: group.rules
        .map((rule, index) => ({ rule, id: `${group.file};${group.name};${index}` }))
        .filter(
          ({ rule }) =>
            (name === "" || rule.name === name) &&
            isOf(rule, kind) &&
            words.every((word) => `${rule.name} ${rule.query} ${group.name} ${group.file}`.toLowerCase().includes(word)),
        )
        .sort((one, other) => urgency(one.rule) - urgency(other.rule)),
    }))
    .filter((group) => group.rules.length > 0)
    .sort((one, other) => worst(one) - worst(other));
}

function isOf(rule: Rule, kind: string): boolean {
  if (kind === "failing") return rule.health === "err";
  if (kind === "alerting" || kind === "recording") return rule.type === kind;
  return kind === "" || rule.state === kind;
}

const URGENT = ["firing", "failing", "pending"] as const;

/** 0 is most urgent */
function urgency(rule: Rule): number {
  const place = URGENT.findIndex((kind) => isOf(rule, kind));
  return place < 0 ? URGENT.length : place;
}

function worst(group: ShownGroup): number {
  return Math.min(...group.rules.map(({ rule }) => urgency(rule)));
}

/** Whether a rule asks for nobody: it works, and nothing fires or is pending. */
export function isCalm(rule: Rule): boolean {
  return urgency(rule) === URGENT.length;
}

export interface Recorded {
  count: number;
  min: number;
  max: number;
}

/** The newest values of recording rules, by name and the labels that rules set. */
export interface RecordedSeries extends Recorded {
  labels: LabelSet;
}

/** names in one query; all names of a large rule file would make an address too long to ask */
const NAMES_AT_ONCE = 150;

/** What the recording rules gave last: how many series, and between which values. */
export async function recordedValues(groups: readonly RuleGroup[], signal: AbortSignal): Promise<RecordedSeries[]> {
  const rules = groups.flatMap((group) => group.rules.filter((rule) => rule.type === "recording"));
  const names = [...new Set(rules.map((rule) => rule.name))];
  // Several rules may record one name, each with labels of its own.
  const by = ["__name__", ...new Set(rules.flatMap((rule) => Object.keys(rule.labels ?? {})))].join(", ");
  const found = new Map<string, RecordedSeries>();
  for (let first = 0; first < names.length; first += NAMES_AT_ONCE) {
    const some = names.slice(first, first + NAMES_AT_ONCE).join("|");
    const ask = (op: string) => queryVector(`${op} by (${by}) ({__name__=~${JSON.stringify(some)}})`, signal);
    const [counts, lows, highs] = await Promise.all([ask("count"), ask("min"), ask("max")]);
    put(found, counts, "count");
    put(found, lows, "min");
    put(found, highs, "max");
  }
  return [...found.values()];
}

function put(found: Map<string, RecordedSeries>, vector: readonly VectorSample[], field: keyof Recorded): void {
  for (const { metric, value } of vector) {
    const key = JSON.stringify(Object.entries(metric).sort());
    const known = found.get(key) ?? { labels: metric, count: 0, min: NaN, max: NaN };
    found.set(key, { ...known, [field]: parseValue(value[1]) });
  }
}

/** What one rule gave: the series of its name that have its labels. */
export function recordedBy(rule: Pick<Rule, "name" | "labels">, all: readonly RecordedSeries[]): Recorded | undefined {
  const own = all.filter(
    ({ labels }) => labels["__name__"] === rule.name && Object.entries(rule.labels ?? {}).every(([name, value]) => labels[name] === value),
  );
  if (!own.length) return undefined;
  return {
    count: own.reduce((sum, one) => sum + one.count, 0),
    min: Math.min(...own.map((one) => one.min)),
    max: Math.max(...own.map((one) => one.max)),
  };
}
