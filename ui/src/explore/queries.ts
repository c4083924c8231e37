// The queries of the Explore page as the address holds them: `expr` once for each, `off` the places of hidden ones.

import type { Tab } from "./tabs";

export interface AskedQuery {
  expr: string;
  on: boolean;
}

export function queriesOf(params: URLSearchParams): AskedQuery[] {
  const off = new Set((params.get("off") ?? "").split(",").filter(Boolean).map(Number));
  const found = params.getAll("expr").map((expr, index) => ({ expr, on: !off.has(index) }));
  return found.length ? found : [{ expr: "", on: true }];
}

/** The address's parameters with these queries instead of its own. */
export function withQueries(params: URLSearchParams, queries: readonly AskedQuery[]): URLSearchParams {
  const changed = new URLSearchParams(params);
  changed.delete("expr");
  changed.delete("off");
  // A query that is empty has nothing to remember, unless it is the only one.
  const kept = queries.filter((one) => one.expr.trim() !== "");
  for (const one of kept) changed.append("expr", one.expr);
  const off = kept.flatMap((one, index) => (one.on ? [] : [index]));
  if (off.length) changed.set("off", off.join(","));
  return changed;
}

export function exploreLink(expr: string, more: { tab?: Tab; fromMs?: number; toMs?: number } = {}): string {
  const params = new URLSearchParams({ expr });
  if (more.tab) params.set("tab", more.tab);
  if (more.fromMs !== undefined && more.toMs !== undefined) {
    params.set("from", String(Math.round(more.fromMs)));
    params.set("to", String(Math.round(more.toMs)));
  }
  return `/explore?${params.toString()}`;
}
