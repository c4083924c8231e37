// What the open panels watch, as one address of the live stream.

import type { LiveResult } from "../charts/lines";

export interface Watcher {
  queries: readonly string[];
  /** how often it wants them, in s */
  everyS: number;
  hear: (timeS: number, results: readonly LiveResult[]) => void;
}

const PATH = "/api/backbeat/v1/live";
const EVERY_S = [15, 10, 5, 3, 2, 1];

/** The same queries, in the same order, give the same address: pages that watch the same share the server's work. */
export function liveUrl(watchers: Iterable<Watcher>): string {
  const queries = new Set<string>();
  let everyS = Infinity;
  for (const watcher of watchers) {
    for (const query of watcher.queries) queries.add(query);
    everyS = Math.min(everyS, watcher.everyS);
  }
  if (queries.size === 0) return PATH;
  const params = new URLSearchParams([...queries].sort().map((query) => ["query", query]));
  params.set("every", `${everyS}s`);
  return `${PATH}?${params.toString()}`;
}

/** How often a panel with this step wants news: at least each 15 s, and always at the steps themselves. */
export function everyOf(stepS: number): number {
  return EVERY_S.find((every) => stepS % every === 0) ?? 1;
}
