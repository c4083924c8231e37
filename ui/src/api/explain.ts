// What a query does, metrics with their help, and whether a query can be read.

import { ApiError, backbeat, prometheus } from "./client";

export interface ExplainedNode {
  kind: string;
  text: string;
  /** half-open, in characters of the query */
  start: number;
  end: number;
  cost?: { evaluations: number; steps: number; series: number; samples: number; totalMs: number; ownMs: number };
  read?: { series: number; samples: number; ms: number };
  children: ExplainedNode[];
}

export interface Explained {
  tree: ExplainedNode;
  steps: number;
  samplesRead: number;
  peakSamples: number;
}

export function explain(expr: string, startS: number, endS: number, stepS: number, signal?: AbortSignal): Promise<Explained> {
  return backbeat("explain", { query: expr, start: startS, end: endS, step: stepS }, signal ? { signal } : {});
}

export interface Metadata {
  type: string;
  help: string;
  unit: string;
}

export function metadata(signal?: AbortSignal): Promise<Record<string, Metadata[]>> {
  return prometheus("metadata", {}, signal);
}

/** The server's word on what is wrong with a query; an empty text where nothing is, or nobody answers. */
export async function wrongIn(expr: string): Promise<string> {
  try {
    await prometheus("parse_query", { query: expr });
    return "";
  } catch (failure) {
    return failure instanceof ApiError && failure.kind === "answered" ? failure.message : "";
  }
}
