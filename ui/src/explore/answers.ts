// What the queries of the page gave: each asked at one moment and over the range, the graph and the table from it.

import { ApiError, queryInstant, queryRange } from "../api/client";
import type { LabelSet, MatrixSeries, QueryData } from "../api/types";
import { csvText } from "../charts/export";
import { seriesText, type Lines } from "../charts/lines";
import { edges, type TimeWindow } from "../charts/window";
import { parseValue } from "../lib/format";

export const MOST_LINES = 60;

export interface Answer {
  /** the letter by which the page calls the query */
  name: string;
  expr: string;
  error: string;
  tookMs: number;
  series: MatrixSeries[];
  instant: QueryData | null;
}

export interface Grid {
  startS: number;
  endS: number;
  stepS: number;
}

export function gridOf(window: TimeWindow, nowS: number): Grid {
  return { ...edges(window, nowS), stepS: window.stepS };
}

export async function answerOver(name: string, expr: string, grid: Grid, signal: AbortSignal): Promise<Answer> {
  const began = performance.now();
  try {
    const series = await queryRange(expr, grid.startS, grid.endS, grid.stepS, signal);
    return { name, expr, error: "", tookMs: performance.now() - began, series, instant: null };
  } catch (failure) {
    return failed(name, expr, failure, began, signal);
  }
}

export async function answerAt(name: string, expr: string, atS: number, signal: AbortSignal): Promise<Answer> {
  const began = performance.now();
  try {
    const instant = await queryInstant(expr, atS, signal);
    return { name, expr, error: "", tookMs: performance.now() - began, series: [], instant };
  } catch (failure) {
    return failed(name, expr, failure, began, signal);
  }
}

function failed(name: string, expr: string, failure: unknown, began: number, signal: AbortSignal): Answer {
  if (signal.aborted) throw failure;
  const error = failure instanceof ApiError ? failure.message : String(failure);
  return { name, expr, error, tookMs: performance.now() - began, series: [], instant: null };
}

/** A value without the digits that nobody reads: whole numbers whole, others to seven figures. */
export function shortened(text: string): string {
  const value = Number(text);
  return !Number.isFinite(value) || Number.isInteger(value) || text.length < 10 ? text : String(Number(value.toPrecision(Math.abs(value) < 1e6 ? 7 : 10)));
}

/** All series on one grid; with several queries a line says by its letter whose it is. Whole numbers of lines are cut. */
export function linesOf(answers: readonly Answer[], grid: Grid): { lines: Lines; hidden: number } {
  const count = Math.floor((grid.endS - grid.startS) / grid.stepS + 0.001) + 1;
  const times = Array.from({ length: count }, (_, index) => grid.startS + index * grid.stepS);
  const all = answers.flatMap((answer, query) => answer.series.map((series) => ({ answer, query, series })));
  const lines = all.slice(0, MOST_LINES).map(({ answer, query, series }) => ({
    key: `${answer.name}/${JSON.stringify(series.metric)}`,
    name: (answers.length > 1 ? `${answer.name}  ` : "") + (seriesText(series.metric) || answer.expr),
    metric: series.metric,
    query,
    values: valuesOf(series, grid, count),
  }));
  return { lines: { times, lines }, hidden: all.length - lines.length };
}

export function valuesOf(series: MatrixSeries, grid: Grid, count: number): (number | null)[] {
  const values = new Array<number | null>(count).fill(null);
  for (const [time, text] of series.values) {
    const value = parseValue(text);
    values[Math.round((time - grid.startS) / grid.stepS)] = Number.isFinite(value) ? value : null;
  }
  return values;
}

export interface TableRow {
  query: string;
  metric: LabelSet;
  value: string;
}

export function rowsOf(answers: readonly Answer[]): TableRow[] {
  return answers.flatMap(({ name, instant }) => {
    if (instant === null) return [];
    if (instant.resultType === "vector")
      return instant.result.map((one) => ({ query: name, metric: one.metric, value: one.value[1] }));
    if (instant.resultType === "matrix")
      return instant.result.map((one) => ({ query: name, metric: one.metric, value: samplesText(one) }));
    return [{ query: name, metric: {}, value: instant.result[1] }];
  });
}

function samplesText(series: MatrixSeries): string {
  return series.values.map(([time, value]) => `${value} @${time}`).join("\n");
}

/** The label names of the rows: those that differ first, then those that all have alike. */
export function labelNames(rows: readonly TableRow[]): string[] {
  const values = new Map<string, Set<string>>();
  for (const row of rows)
    for (const [name, value] of Object.entries(row.metric)) values.set(name, (values.get(name) ?? new Set()).add(value));
  const alike = (name: string): boolean => (values.get(name)?.size ?? 0) === 1 && rows.every((row) => name in row.metric);
  const names = [...values.keys()].filter((name) => name !== "__name__").sort();
  const first = values.has("__name__") ? ["__name__"] : [];
  return [...first, ...names.filter((name) => !alike(name)), ...names.filter(alike)];
}

export function csvOf(rows: readonly TableRow[]): string {
  const names = labelNames(rows);
  return csvText([[...names, "value"], ...rows.map((row) => [...names.map((name) => row.metric[name] ?? ""), row.value])]);
}
