// When a rule would have fired: its expression over time, `for` applied, joined over all series.

import type { ExplainedNode } from "../api/explain";
import type { MatrixSeries } from "../api/types";

export interface Threshold {
  /** what is compared, as it stands in the rule */
  expr: string;
  op: string;
  value: number;
}

/** The comparison with a number that decides over a rule, as far down as parentheses, `and` and `unless` go. */
export function thresholdOf(rule: string, tree: ExplainedNode): Threshold | null {
  const [left, right] = tree.children;
  if (tree.kind === "parentheses" && left) return thresholdOf(rule, left);
  if (tree.kind !== "binary" || !left || !right) return null;
  const between = rule.slice(left.end, right.start);
  const op = /(>=|<=|==|!=|>|<)/.exec(between)?.[1];
  if (!op) return /\b(and|unless)\b/i.test(between) ? thresholdOf(rule, left) : null;
  const value = numberOf(right);
  if (value !== null) return { expr: rule.slice(left.start, left.end), op, value };
  const before = numberOf(left);
  return before === null ? null : { expr: rule.slice(right.start, right.end), op: TURNED[op] ?? op, value: before };
}

const TURNED: Readonly<Record<string, string>> = { ">": "<", "<": ">", ">=": "<=", "<=": ">=" };

function numberOf(node: ExplainedNode): number | null {
  const inner = node.children[0];
  if (node.kind === "parentheses" && inner) return numberOf(inner);
  const number = node.kind === "unary" && inner?.kind === "number" ? -Number(inner.text) : node.kind === "number" ? Number(node.text) : NaN;
  return Number.isNaN(number) ? null : number;
}

export interface Span {
  state: "pending" | "firing";
  fromS: number;
  toS: number;
}

/** The state of a rule over time, the graver one where series differ: what its expression gives, held for `forS`. */
export function replayed(series: readonly MatrixSeries[], forS: number, stepS: number): Span[] {
  const states = new Map<number, Span["state"]>();
  for (const { values } of series) {
    let [since, before] = [NaN, NaN];
    for (const [time] of values) {
      // A gap of more than a step is an evaluation that gave nothing, and begins anew.
      if (!(time - before <= stepS * 1.5)) since = time;
      before = time;
      if (time - since >= forS) states.set(time, "firing");
      else if (!states.has(time)) states.set(time, "pending");
    }
  }
  return joinedSpans(states, stepS);
}

/** The state that a rule had: of ALERTS, whose series have `alertstate`. */
export function happened(series: readonly MatrixSeries[], stepS: number): Span[] {
  const states = new Map<number, Span["state"]>();
  for (const { metric, values } of series)
    for (const [time] of values)
      if (metric["alertstate"] === "firing") states.set(time, "firing");
      else if (!states.has(time)) states.set(time, "pending");
  return joinedSpans(states, stepS);
}

function joinedSpans(states: ReadonlyMap<number, Span["state"]>, stepS: number): Span[] {
  const spans: Span[] = [];
  for (const [time, state] of [...states].sort((a, b) => a[0] - b[0])) {
    const last = spans.at(-1);
    if (last && last.state === state && time - last.toS <= stepS * 0.5) last.toS = time + stepS;
    else spans.push({ state, fromS: time, toS: time + stepS });
  }
  return spans;
}

/** `fired 3 times, 42 min in all`. */
export function spanWords(spans: readonly Span[], duration: (seconds: number) => string): string {
  const firing = spans.filter((span) => span.state === "firing");
  if (!firing.length) return spans.length ? "pending only, never firing" : "never";
  const total = firing.reduce((sum, span) => sum + span.toS - span.fromS, 0);
  return `${firing.length === 1 ? "once" : `${firing.length} times`}, ${duration(total)} in all`;
}
