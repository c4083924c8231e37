// What this Backbeat is and how it does.

import { prometheus, request, backbeat, ApiError } from "./client";
import type { Own } from "./own";

export interface Build {
  version: string;
  goVersion: string;
}

export interface Runtime {
  startTime: string;
  reloadConfigSuccess: boolean;
  lastConfigTime: string;
  storageRetention: string;
}

export interface Stat {
  name: string;
  value: number;
}

export interface Cardinality {
  headStats: { numSeries: number };
  seriesCountByMetricName: Stat[];
  labelValueCountByLabelName: Stat[];
  seriesCountByLabelValuePair: Stat[];
}

export type Store = Own<"Store">;

export interface System {
  build: Build;
  runtime: Runtime;
  flags: Record<string, string>;
}

export async function system(signal?: AbortSignal): Promise<System> {
  const [build, runtime, flags] = await Promise.all([
    prometheus<Build>("status/buildinfo", {}, signal),
    prometheus<Runtime>("status/runtimeinfo", {}, signal),
    prometheus<Record<string, string>>("status/flags", {}, signal),
  ]);
  return { build, runtime, flags };
}

export function cardinality(signal?: AbortSignal): Promise<Cardinality> {
  return prometheus("status/tsdb", { limit: 15 }, signal);
}

export function store(signal?: AbortSignal): Promise<Store> {
  return backbeat("storage", {}, signal ? { signal } : {});
}

export interface ConfigFile {
  name: string;
  text: string;
}

/** The files as they are in force, secrets masked. */
export async function configFiles(signal?: AbortSignal): Promise<ConfigFile[]> {
  const [own, alerting] = await Promise.all([
    prometheus<{ yaml: string }>("status/config", {}, signal),
    request("/api/v2/status", {}, signal ? { signal } : {}),
  ]);
  if (!alerting.ok) throw new ApiError(`Alertmanager's API answered ${alerting.status}; see Backbeat's log.`, "answered");
  const status = (await alerting.json()) as { config: { original: string } };
  return [
    { name: "prometheus.yml", text: own.yaml },
    { name: "alertmanager.yml", text: status.config.original },
  ].filter((file) => file.text.trim() !== "");
}
