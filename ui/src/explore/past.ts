// The queries that were asked on this device, newest first, each once.

import { recall, remember } from "../lib/memory";

const KEY = "backbeat.queries";
const MOST = 200;

export interface PastQuery {
  expr: string;
  atMs: number;
}

export function pastQueries(): PastQuery[] {
  try {
    const kept: unknown = JSON.parse(recall(KEY) ?? "[]");
    return Array.isArray(kept) ? kept.filter(isPastQuery) : [];
  } catch {
    return [];
  }
}

export function rememberQuery(expr: string, atMs: number): void {
  remember(KEY, JSON.stringify(withQuery(pastQueries(), expr, atMs)));
}

export function forgetQueries(): void {
  remember(KEY, "[]");
}

export function withQuery(past: readonly PastQuery[], expr: string, atMs: number): PastQuery[] {
  return [{ expr, atMs }, ...past.filter((one) => one.expr !== expr)].slice(0, MOST);
}

function isPastQuery(one: unknown): one is PastQuery {
  const { expr, atMs } = (one ?? {}) as Partial<PastQuery>;
  return typeof expr === "string" && typeof atMs === "number";
}
