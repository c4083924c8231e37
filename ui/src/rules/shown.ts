// Which rules the page shows, and the newest values of recording rules.

import { queryVector } from "../api/client";
import type { Rule, RuleGroup } from "../api/types";
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

/** What the recording rules gave last: of each name how many series, and between which values. */
export async function recordedValues(groups: readonly RuleGroup[], signal: AbortSignal): Promise<Map<string, Recorded>> {
  const names = [...new Set(groups.flatMap((group) => group.rules.filter((rule) => rule.type === "recording").map((rule) => rule.name)))];
  const found = new Map<string, Recorded>();
  if (!names.length) return found;
  const all = `{__name__=~${JSON.stringify(names.join("|"))}}`;
  const ask = (op: string) => queryVector(`${op} by (__name__) (${all})`, signal);
  const [counts, lows, highs] = await Promise.all([ask("count"), ask("min"), ask("max")]);
  const put = (of: typeof counts, field: keyof Recorded): void => {
    for (const { metric, value } of of) {
      const name = metric["__name__"] ?? "";
      const known = found.get(name) ?? { count: 0, min: NaN, max: NaN };
      found.set(name, { ...known, [field]: parseValue(value[1]) });
    }
  };
  put(counts, "count");
  put(lows, "min");
  put(highs, "max");
  return found;
}
