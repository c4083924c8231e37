// Metric names with what their targets say of them.

import type { Metadata } from "../api/explain";

export interface Metric {
  name: string;
  type: string;
  help: string;
}

const SUFFIX = /_(bucket|count|sum|total|created|info)$/;

/** A series of a histogram or a summary has the metadata of its family. */
export function metricsOf(names: readonly string[], known: Readonly<Record<string, Metadata[]>>): Metric[] {
  return names.map((name) => {
    const told = known[name]?.[0] ?? known[name.replace(SUFFIX, "")]?.[0];
    return { name, type: told && told.type !== "unknown" ? told.type : "", help: told?.help ?? "" };
  });
}

/** How one mostly asks for a metric of this type. */
export function asQuery({ name, type }: Metric): string {
  if (name.endsWith("_bucket")) return `histogram_quantile(0.95, sum by (le) (rate(${selector(name)}[5m])))`;
  const counts = type === "counter" || name.endsWith("_total") || (type === "histogram" && /_(count|sum)$/.test(name));
  return counts ? `rate(${selector(name)}[5m])` : selector(name);
}

function selector(name: string): string {
  return /^[a-zA-Z_:][\w:]*$/.test(name) ? name : `{${JSON.stringify(name)}}`;
}
