// Which labels the series of a metric have.

import { prometheus } from "./client";

const OF_BUCKETS = ["__name__", "le"];

export async function labelNames(metric: string, signal?: AbortSignal): Promise<string[]> {
  const names = await prometheus<string[]>("labels", { "match[]": metric }, signal);
  return names.filter((name) => !OF_BUCKETS.includes(name));
}
