// Targets as the page shows them: joined with how many samples each gave, chosen, and pool by pool.

import { queryVector } from "../api/client";
import type { Target, VectorSample } from "../api/types";
import { parseRange, parseValue } from "../lib/format";

export interface ShownTarget extends Target {
  key: string;
  /** of the last scrape; null where it is not known */
  samples: number | null;
}

export interface Pool {
  name: string;
  up: number;
  targets: ShownTarget[];
}

export const HEALTHS = ["up", "down", "unknown"] as const;

/** scrape_samples_scraped has the labels of its target. */
export function scrapedSamples(signal: AbortSignal): Promise<VectorSample[]> {
  return queryVector("scrape_samples_scraped", signal);
}

export function shownTargets(targets: readonly Target[], scraped: readonly VectorSample[]): ShownTarget[] {
  const keyOf = (labels: Readonly<Record<string, string>>): string =>
    JSON.stringify(Object.entries(labels).filter(([name]) => name !== "__name__").sort());
  const samples = new Map(scraped.map((one) => [keyOf(one.metric), parseValue(one.value[1])]));
  return targets.map((target) => ({ ...target, key: `${target.scrapePool} ${target.scrapeUrl} ${keyOf(target.labels)}`, samples: samples.get(keyOf(target.labels)) ?? null }));
}

export function chosenTargets(targets: readonly ShownTarget[], text: string, health: string): ShownTarget[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return targets.filter((target) => {
    const labels = Object.entries(target.labels).map(([name, value]) => `${name}=${value}`);
    const whole = [target.scrapePool, target.scrapeUrl, target.lastError, ...labels].join(" ").toLowerCase();
    return (health === "" || target.health === health) && words.every((word) => whole.includes(word));
  });
}

/** Pools with the one that has most targets down first; in a pool those that are down first. */
export function pooled(targets: readonly ShownTarget[]): Pool[] {
  const pools = new Map<string, ShownTarget[]>();
  for (const target of targets) pools.set(target.scrapePool, [...(pools.get(target.scrapePool) ?? []), target]);
  const rank = (target: ShownTarget): number => ["down", "unknown", "up"].indexOf(target.health);
  return [...pools]
    .map(([name, own]) => ({ name, up: own.filter((one) => one.health === "up").length, targets: own.sort((a, b) => rank(a) - rank(b)) }))
    .sort((a, b) => b.targets.length - b.up - (a.targets.length - a.up));
}

/** A scrape that takes most of its timeout will soon miss it. */
export function isSlow(target: Target): boolean {
  const timeoutS = parseRange(target.scrapeTimeout);
  return timeoutS !== null && target.lastScrapeDuration > timeoutS * 0.7;
}
