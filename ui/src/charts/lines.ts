// The lines of a panel as columns on one grid of steps. A refresh asks only for the new steps; the live stream adds
// the newest, and between two steps a column that the next one replaces.

import { queryRange } from "../api/client";
import type { LabelSet, MatrixSeries } from "../api/types";
import { parseValue } from "../lib/format";
import { edges, type TimeWindow } from "./window";

export interface Query {
  expr: string;
  /** a text, or a label whose value names the line: `{{mode}}` */
  legend: string;
  /** lines at most, the largest last values first */
  most?: number;
}

export interface Line {
  key: string;
  name: string;
  metric: LabelSet;
  /** which query it comes from */
  query: number;
  values: (number | null)[];
}

export interface Lines {
  times: number[];
  lines: Line[];
}

/** What the live stream tells of one query at a moment. */
export type LiveResult = { series: [LabelSet, string][] } | { error: string };

export function legendOf(legend: string, metric: LabelSet): string {
  const text = legend.replace(/\{\{(\w+)\}\}/g, (_, name: string) => metric[name] ?? "").trim();
  return text || seriesText(metric) || "value";
}

/** A series as PromQL writes it: `up{job="api"}`. */
export function seriesText(metric: LabelSet): string {
  const { __name__: name = "", ...labels } = metric;
  const inside = Object.entries(labels).map(([label, value]) => `${label}=${JSON.stringify(value)}`);
  return inside.length ? `${name}{${inside.join(", ")}}` : name;
}

export class LineStore {
  private times: number[] = [];
  private readonly lines = new Map<string, Line>();
  /** the last column is no step yet */
  private isPassing = false;

  constructor(
    private readonly queries: readonly Query[],
    readonly window: TimeWindow,
  ) {}

  /** Ask for everything. Raises ApiError. */
  async load(nowS: number, signal: AbortSignal): Promise<Lines> {
    const { startS, endS } = edges(this.window, nowS);
    const answers = await this.ask(startS, endS, signal);
    this.times = [];
    this.lines.clear();
    this.isPassing = false;
    this.add(answers, startS, endS);
    return this.shown();
  }

  /** Ask for the steps since the last; null where none has passed. Raises ApiError. */
  async refresh(nowS: number, signal: AbortSignal): Promise<Lines | null> {
    const { startS, endS } = edges(this.window, nowS);
    const last = this.lastStep();
    if (last === undefined || startS > last) return this.load(nowS, signal);
    if (endS <= last) return null;
    const answers = await this.ask(last + this.window.stepS, endS, signal);
    // What the stream has brought meanwhile is the same or newer.
    if (this.lastStep() !== last) return null;
    this.dropPassing();
    this.add(answers, last + this.window.stepS, endS);
    this.forgetBefore(startS);
    return this.shown();
  }

  /** Take what the stream tells. Null where steps are missing in between: then `refresh`. */
  hear(timeS: number, results: readonly LiveResult[]): Lines | null {
    const last = this.lastStep();
    if (last === undefined || timeS > last + this.window.stepS) return null;
    if (timeS <= last) return this.shown();
    this.dropPassing();
    this.times.push(timeS);
    for (const line of this.lines.values()) line.values.push(null);
    results.forEach((result, index) => {
      if ("series" in result) for (const [metric, text] of result.series) this.put(index, metric, this.times.length - 1, text);
    });
    this.isPassing = timeS % this.window.stepS !== 0;
    if (!this.isPassing) this.forgetBefore(timeS - this.window.lengthS);
    return this.shown();
  }

  private ask(startS: number, endS: number, signal: AbortSignal): Promise<MatrixSeries[][]> {
    return Promise.all(this.queries.map((query) => queryRange(query.expr, startS, endS, this.window.stepS, signal)));
  }

  private add(answers: MatrixSeries[][], startS: number, endS: number): void {
    const { stepS } = this.window;
    const from = this.times.length;
    for (let time = startS; time <= endS + 0.001; time += stepS) this.times.push(time);
    const added = this.times.length - from;
    for (const line of this.lines.values()) line.values.push(...new Array<null>(added).fill(null));
    answers.forEach((answer, index) => {
      for (const series of answer)
        for (const [time, text] of series.values)
          this.put(index, series.metric, from + Math.round((time - startS) / stepS), text);
    });
  }

  private put(query: number, metric: LabelSet, cell: number, text: string): void {
    const key = `${query}/${keyOf(metric)}`;
    let line = this.lines.get(key);
    if (!line) {
      const name = legendOf(this.queries[query]?.legend ?? "", metric);
      line = { key, name, metric, query, values: new Array<null>(this.times.length).fill(null) };
      this.lines.set(key, line);
    }
    const value = parseValue(text);
    line.values[cell] = Number.isFinite(value) ? value : null;
  }

  private lastStep(): number | undefined {
    return this.times.at(this.isPassing ? -2 : -1);
  }

  private dropPassing(): void {
    if (!this.isPassing) return;
    this.times.pop();
    for (const line of this.lines.values()) line.values.pop();
    this.isPassing = false;
  }

  private forgetBefore(startS: number): void {
    const count = this.times.findIndex((time) => time >= startS);
    if (count <= 0) return;
    this.times.splice(0, count);
    for (const [key, line] of this.lines) {
      line.values.splice(0, count);
      if (line.values.every((value) => value === null)) this.lines.delete(key);
    }
  }

  private shown(): Lines {
    const most = Math.max(...this.queries.map((query) => query.most ?? 20));
    const all = [...this.lines.values()];
    if (all.length > most) all.sort((a, b) => newest(b) - newest(a));
    return { times: [...this.times], lines: all.slice(0, most).map((line) => ({ ...line, values: [...line.values] })) };
  }
}

const keys = new WeakMap<LabelSet, string>();

/** The same text for the same labels, whatever their order; remembered, for it is asked once a point. */
function keyOf(metric: LabelSet): string {
  let key = keys.get(metric);
  if (key === undefined) {
    key = JSON.stringify(Object.entries(metric).sort(([a], [b]) => (a < b ? -1 : 1)));
    keys.set(metric, key);
  }
  return key;
}

function newest(line: Line): number {
  return line.values.findLast((value) => value !== null) ?? -Infinity;
}
