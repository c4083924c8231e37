// Every panel of the Performance Dashboard: what it asks and where its thresholds are.
// The recorded names come from the NormalDance profile's recording rules.

import type { Unit } from "../lib/format";
import type { Query } from "../charts/lines";

export interface PanelDefinition {
  id: string;
  title: string;
  unit: Unit;
  queries: readonly Query[];
  thresholds?: readonly { value: number; severity: "warning" | "critical" }[];
  /** a value below the threshold is the bad one */
  lowIsBad?: boolean;
  /** the query's line whose newest value stands in the corner */
  headline?: number;
  /** what to do when there is nothing to show */
  whenEmpty: string;
}

function limits(warning: number, critical: number): NonNullable<PanelDefinition["thresholds"]> {
  return [
    { value: warning, severity: "warning" },
    { value: critical, severity: "critical" },
  ];
}

const NO_APP = "Is the application scraped, and does it use backbeat-instrument?";
const NO_HOST = "Is the host collector on (backbeat.yml), or a node exporter scraped?";

export const SCORE_EXPR = "app:performance_score:geomean";
export const POINTS_LOST_EXPR = "signal:score:points_lost";

function percentile(name: string): Query {
  return { expr: `max(job:http_request_duration_seconds:${name})`, legend: name };
}

export const PANELS: readonly PanelDefinition[] = [
  {
    id: "response_time",
    title: "Response time, percentiles",
    unit: "seconds",
    queries: [percentile("p50"), percentile("p90"), percentile("p95"), percentile("p99")],
    headline: 2,
    thresholds: limits(1, 2),
    whenEmpty: NO_APP,
  },
  {
    id: "error_rate",
    title: "Error rate, 5xx share of requests",
    unit: "ratio",
    queries: [{ expr: "max(job:http_request_errors:ratio)", legend: "errors" }],
    thresholds: limits(0.05, 0.1),
    whenEmpty: NO_APP,
  },
  {
    id: "requests",
    title: "Requests",
    unit: "perSecond",
    queries: [{ expr: "sum(job:http_requests:rate)", legend: "requests" }],
    whenEmpty: NO_APP,
  },
  {
    id: "database",
    title: "Database, average query time",
    unit: "seconds",
    queries: [{ expr: "max(job:db_query_duration_seconds:mean)", legend: "query time" }],
    thresholds: limits(0.5, 1),
    whenEmpty: NO_APP,
  },
  {
    id: "database_connections",
    title: "Database connections, share of the pool",
    unit: "ratio",
    queries: [{ expr: "max(job:db_connections:ratio)", legend: "in use" }],
    whenEmpty: NO_APP,
  },
  {
    id: "cache",
    title: "Cache hit ratio",
    unit: "ratio",
    queries: [{ expr: "min(job:cache_hits:ratio)", legend: "hits" }],
    thresholds: limits(0.8, 0.5),
    lowIsBad: true,
    whenEmpty: NO_APP,
  },
  {
    id: "cache_evictions",
    title: "Cache evictions",
    unit: "perSecond",
    queries: [{ expr: "sum(job:cache_evictions:rate)", legend: "evictions" }],
    whenEmpty: NO_APP,
  },
  {
    id: "audio_streaming",
    title: "Audio streaming, error rate",
    unit: "ratio",
    queries: [{ expr: "max(job:audio_stream_errors:ratio)", legend: "errors" }],
    thresholds: limits(0.05, 0.1),
    whenEmpty: NO_APP,
  },
  {
    id: "uploads",
    title: "Uploads, average time",
    unit: "seconds",
    queries: [{ expr: "max(job:upload_duration_seconds:mean)", legend: "upload time" }],
    thresholds: limits(30, 60),
    whenEmpty: NO_APP,
  },
  {
    id: "websocket",
    title: "WebSockets, connection error rate",
    unit: "ratio",
    queries: [{ expr: "max(job:ws_connection_errors:ratio)", legend: "errors" }],
    thresholds: limits(0.1, 0.2),
    whenEmpty: NO_APP,
  },
  {
    id: "websocket_connections",
    title: "WebSockets, open connections",
    unit: "count",
    queries: [{ expr: "sum(job:ws_connections:active)", legend: "open" }],
    whenEmpty: NO_APP,
  },
  {
    id: "rate_limiting",
    title: "Rate-limited requests",
    unit: "perSecond",
    queries: [{ expr: "sum(job:api_rate_limited:rate)", legend: "refused" }],
    thresholds: limits(1, 5),
    whenEmpty: NO_APP,
  },
  {
    id: "system_load",
    title: "System load, 1 minute",
    unit: "count",
    queries: [{ expr: "max(job:node_load1:max)", legend: "load" }],
    thresholds: limits(5, 10),
    whenEmpty: NO_HOST,
  },
  {
    id: "cpu",
    title: "CPU",
    unit: "ratio",
    queries: [{ expr: "instance:node_cpu:utilisation", legend: "{{instance}}", most: 8 }],
    whenEmpty: NO_HOST,
  },
  {
    id: "memory",
    title: "Memory",
    unit: "ratio",
    queries: [{ expr: "instance:node_memory:utilisation", legend: "{{instance}}", most: 8 }],
    whenEmpty: NO_HOST,
  },
  {
    id: "disk",
    title: "Disk",
    unit: "ratio",
    queries: [{ expr: "instance:node_filesystem:utilisation", legend: "{{instance}} {{mountpoint}}", most: 6 }],
    whenEmpty: NO_HOST,
  },
  {
    id: "users",
    title: "Active users",
    unit: "count",
    queries: [{ expr: "sum(job:active_users:sum)", legend: "users" }],
    whenEmpty: NO_APP,
  },
  {
    id: "features",
    title: "Features used",
    unit: "perSecond",
    queries: [{ expr: "topk(6, sum by (feature) (job:feature_used:rate))", legend: "{{feature}}", most: 6 }],
    whenEmpty: NO_APP,
  },
  {
    id: "score",
    title: "Performance score",
    unit: "score",
    queries: [{ expr: SCORE_EXPR, legend: "score" }],
    thresholds: limits(70, 50),
    lowIsBad: true,
    whenEmpty: NO_APP,
  },
];

/** What the parts of the score are called. A signal's panel has the signal's name. */
export const SIGNAL_TITLES: Readonly<Record<string, string>> = {
  response_time: "Response time",
  error_rate: "Error rate",
  database: "Database",
  cache: "Cache",
  audio_streaming: "Audio streaming",
  uploads: "Uploads",
  websocket: "WebSockets",
  rate_limiting: "Rate limiting",
  system_load: "System load",
};
