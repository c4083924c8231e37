// When a rule would have fired: its expression at each evaluation, `for` and `keep_firing_for` applied, joined over all series.

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

/** What a rule is evaluated by, in s. */
export interface Terms {
  forS: number;
  keepFiringForS: number;
}

/** The moments at which a rule is evaluated in a window; `every` of them where all would be too many to ask for. */
export interface Evaluations {
  startS: number;
  endS: number;
  stepS: number;
  every: number;
}

const MOST_EVALUATIONS = 10_000;

/** Evaluations come at `lastS` and every `intervalS` before and after it. */
export function evaluationsIn(fromS: number, toS: number, intervalS: number, lastS: number): Evaluations {
  const every = Math.max(1, Math.ceil((toS - fromS) / intervalS / MOST_EVALUATIONS));
  const stepS = intervalS * every;
  const endS = lastS + Math.floor((toS - lastS) / stepS) * stepS;
  return { startS: endS - Math.floor((endS - fromS) / stepS) * stepS, endS, stepS, every };
}

/** The state of a rule over time, the graver one where series differ: what its expression gave at each evaluation. */
export function replayed(series: readonly MatrixSeries[], terms: Terms, { startS, endS, stepS }: Evaluations): Span[] {
  const states = new Map<number, Span["state"]>();
  for (const { values } of series) {
    const seen = new Set(values.map(([time]) => Math.round((time - startS) / stepS)));
    let [began, keptSince, state]: [number, number | null, Span["state"] | null] = [0, null, null];
    for (let turn = 0, time = startS; time <= endS + stepS / 2; turn += 1, time = startS + turn * stepS) {
      if (seen.has(turn)) {
        if (state === null) [began, state] = [time, "pending"];
        keptSince = null;
        if (time - began >= terms.forS) state = "firing";
      } else if (state === "firing") {
        keptSince ??= time;
        if (time - keptSince >= terms.keepFiringForS) [state, keptSince] = [null, null];
      } else state = null;
      if (state && states.get(time) !== "firing") states.set(time, state);
    }
  }
  return joinedSpans(states, stepS);
}

/** What of the spans lies after a moment. */
export function since(spans: readonly Span[], fromS: number): Span[] {
  return spans.filter((span) => span.toS > fromS).map((span) => ({ ...span, fromS: Math.max(span.fromS, fromS) }));
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
