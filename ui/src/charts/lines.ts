// The lines of a panel as columns on one grid of steps; a refresh appends only the new steps.

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
  values: (number | null)[];
}

export interface Lines {
  times: number[];
  lines: Line[];
}

export function legendOf(legend: string, metric: LabelSet): string {
  const text = legend.replace(/\{\{(\w+)\}\}/g, (_, name: string) => metric[name] ?? "");
  return text || seriesText(metric) || "value";
}

/** A series as PromQL writes it: `up{job="api"}`. */
export function seriesText(metric: LabelSet): string {
  const { __name__: name = "", ...labels } = metric;
  const inside = Object.entries(labels).map(([label, value]) => `${label}=${JSON.stringify(value)}`);
  return inside.length ? `${name}{${inside.join(", ")}}` : name;
}

/** Holds what a panel shows. `load` asks for everything, `refresh` for what is new. */
export class LineStore {
  private times: number[] = [];
  private readonly lines = new Map<string, Line>();

  constructor(
    private readonly queries: readonly Query[],
    private readonly window: TimeWindow,
  ) {}

  async load(nowS: number, signal: AbortSignal): Promise<Lines> {
    const { startS, endS } = edges(this.window, nowS);
    this.times = [];
    this.lines.clear();
    await this.fetch(startS, endS, signal);
    return this.shown();
  }

  /** Returns null where no step has passed since the last call. */
  async refresh(nowS: number, signal: AbortSignal): Promise<Lines | null> {
    const { startS, endS } = edges(this.window, nowS);
    const last = this.times.at(-1);
    if (last === undefined || startS > last) return this.load(nowS, signal);
    if (endS <= last) return null;
    await this.fetch(last + this.window.stepS, endS, signal);
    const old = this.times.findIndex((time) => time >= startS);
    if (old > 0) this.forget(old);
    return this.shown();
  }

  private async fetch(startS: number, endS: number, signal: AbortSignal): Promise<void> {
    const { stepS } = this.window;
    const answers = await Promise.all(
      this.queries.map((query) => queryRange(query.expr, startS, endS, stepS, signal)),
    );
    const from = this.times.length;
    for (let time = startS; time <= endS + 0.001; time += stepS) this.times.push(time);
    const added = this.times.length - from;
    for (const line of this.lines.values()) line.values.push(...new Array<null>(added).fill(null));
    answers.forEach((series, index) => {
      const query = this.queries[index];
      if (query) for (const one of series) this.place(query, index, one, startS, from);
    });
  }

  private place(query: Query, index: number, series: MatrixSeries, startS: number, from: number): void {
    const name = legendOf(query.legend, series.metric);
    const key = `${index}/${JSON.stringify(series.metric)}`;
    let line = this.lines.get(key);
    if (!line) {
      line = { key, name, values: new Array<null>(this.times.length).fill(null) };
      this.lines.set(key, line);
    }
    for (const [time, text] of series.values) {
      const value = parseValue(text);
      const cell = from + Math.round((time - startS) / this.window.stepS);
      line.values[cell] = Number.isFinite(value) ? value : null;
    }
  }

  private forget(count: number): void {
    this.times.splice(0, count);
    for (const [key, line] of this.lines) {
      line.values.splice(0, count);
      if (line.values.every((value) => value === null)) this.lines.delete(key);
    }
  }

  private shown(): Lines {
    const most = Math.max(...this.queries.map((query) => query.most ?? 20));
    const all = [...this.lines.values()];
    if (all.length > most) all.sort((a, b) => (b.values.at(-1) ?? -1) - (a.values.at(-1) ?? -1));
    return { times: [...this.times], lines: all.slice(0, most).map((line) => ({ ...line, values: [...line.values] })) };
  }
}
