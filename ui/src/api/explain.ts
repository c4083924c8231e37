// What a query does, metrics with their help, and whether a query can be read.

import { ApiError, backbeat, prometheus } from "./client";
import type { Own } from "./own";

export type ExplainedNode = Own<"ExplainedNode">;
export type Explained = Own<"Explained">;

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
