// Which rules the page shows, and the newest values of recording rules.

import { queryVector } from "../api/client";
import type { Rule, RuleGroup, VectorSample } from "../api/types";
import { parseValue } from "../lib/format";

export const KINDS = ["firing", "pending", "failing", "alerting", "recording"] as const;

export interface ShownRule {
  rule: Rule;
  /** file, group and place */
  id: string;
}

export interface ShownGroup extends Omit<RuleGroup, "rules"> {
  rules: ShownRule[];
}

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
        ),
    }))
    .filter((group) => group.rules.length > 0);
}

function isOf(rule: Rule, kind: string): boolean {
  if (kind === "failing") return rule.health === "err";
  if (kind === "alerting" || kind === "recording") return rule.type === kind;
  return kind === "" || rule.state === kind;
}

export interface Recorded {
  count: number;
  min: number;
  max: number;
}

/** names in one query; all names of a large rule file would make an address too long to ask */
const NAMES_AT_ONCE = 150;

/** What the recording rules gave last: of each name how many series, and between which values. */
export async function recordedValues(groups: readonly RuleGroup[], signal: AbortSignal): Promise<Map<string, Recorded>> {
  const names = [...new Set(groups.flatMap((group) => group.rules.filter((rule) => rule.type === "recording").map((rule) => rule.name)))];
  const found = new Map<string, Recorded>();
  for (let first = 0; first < names.length; first += NAMES_AT_ONCE) {
    const some = names.slice(first, first + NAMES_AT_ONCE).join("|");
    const ask = (op: string) => queryVector(`${op} by (__name__) ({__name__=~${JSON.stringify(some)}})`, signal);
    const [counts, lows, highs] = await Promise.all([ask("count"), ask("min"), ask("max")]);
    put(found, counts, "count");
    put(found, lows, "min");
    put(found, highs, "max");
  }
  return found;
}

function put(found: Map<string, Recorded>, vector: readonly VectorSample[], field: keyof Recorded): void {
  for (const { metric, value } of vector) {
    const name = metric["__name__"] ?? "";
    const known = found.get(name) ?? { count: 0, min: NaN, max: NaN };
    found.set(name, { ...known, [field]: parseValue(value[1]) });
  }
}
