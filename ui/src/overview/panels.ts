// Every panel of the overview: what it asks, where its thresholds are, and what it needs.
// The recorded names come from the NormalDance profile's recording rules.

import type { Query } from "../charts/lines";
import type { Threshold } from "../charts/marks";
import type { Unit } from "../lib/format";

export interface PanelDefinition {
  id: string;
  title: string;
  unit: Unit;
  queries: readonly Query[];
  thresholds?: readonly Threshold[];
  /** a value below the threshold is the bad one */
  lowIsBad?: boolean;
  /** the query whose newest value stands in the corner */
  headline?: number;
  /** label `signal` of the alerts that are about it; else its id */
  signal?: string;
  /** lines are one thing in degrees */
  degrees?: boolean;
  /** as wide as two others */
  wide?: boolean;
  /** the metric that is missing where nothing is shown, and how to get it */
  needs: { metric: string; snippet: string };
}

export interface PanelGroup {
  title: string;
  panels: readonly PanelDefinition[];
}

function limits(warning: number, critical: number): readonly Threshold[] {
  return [
    { value: warning, severity: "warning" },
    { value: critical, severity: "critical" },
  ];
}

const HTTP = "app.add_middleware(MetricsMiddleware, metrics=metrics)";
const DATABASE = "instrument_engine(engine, metrics)";
const HOST = "host_collector: true  # backbeat.yml; or scrape a node exporter";

function host(metric: string): PanelDefinition["needs"] {
  return { metric, snippet: HOST };
}

export const SCORE_EXPR = "app:performance_score:geomean";
export const SIGNAL_SCORE_EXPR = "signal:score:min";
export const POINTS_LOST_EXPR = "signal:score:points_lost";

function percentile(name: string): Query {
  return { expr: `max(job:http_request_duration_seconds:${name})`, legend: name };
}

export const GROUPS: readonly PanelGroup[] = [
  {
    title: "Requests",
    panels: [
      {
        id: "response_time",
        title: "Response time, p95",
        unit: "seconds",
        queries: [percentile("p50"), percentile("p90"), percentile("p95"), percentile("p99")],
        headline: 2,
        degrees: true,
        thresholds: limits(1, 2),
        needs: { metric: "http_request_duration_seconds", snippet: HTTP },
      },
      {
        id: "error_rate",
        title: "Error rate",
        unit: "ratio",
        queries: [{ expr: "max(job:http_request_errors:ratio)", legend: "errors" }],
        thresholds: limits(0.05, 0.1),
        needs: { metric: "http_requests_total", snippet: HTTP },
      },
      {
        id: "traffic",
        title: "Requests",
        unit: "perSecond",
        queries: [{ expr: "sum(job:http_requests:rate)", legend: "requests" }],
        needs: { metric: "http_requests_total", snippet: HTTP },
      },
      {
        id: "rate_limiting",
        title: "Rate-limited requests",
        unit: "perSecond",
        queries: [{ expr: "sum(job:api_rate_limited:rate)", legend: "refused" }],
        thresholds: limits(1, 5),
        needs: { metric: "api_rate_limited_total", snippet: "metrics.rate_limited()" },
      },
    ],
  },
  {
    title: "Data",
    panels: [
      {
        id: "database",
        title: "Database query time",
        unit: "seconds",
        queries: [{ expr: "max(job:db_query_duration_seconds:mean)", legend: "query time" }],
        thresholds: limits(0.5, 1),
        needs: { metric: "db_query_duration_seconds", snippet: DATABASE },
      },
      {
        id: "database_connections",
        title: "Database pool in use",
        unit: "ratio",
        queries: [{ expr: "max(job:db_connections:ratio)", legend: "in use" }],
        needs: { metric: "db_connections", snippet: DATABASE },
      },
      {
        id: "cache",
        title: "Cache hit ratio",
        unit: "ratio",
        queries: [{ expr: "min(job:cache_hits:ratio)", legend: "hits" }],
        thresholds: limits(0.8, 0.5),
        lowIsBad: true,
        needs: { metric: "cache_hits_total", snippet: "metrics.cache_hit()  # or metrics.cache_miss()" },
      },
      {
        id: "cache_evictions",
        title: "Cache evictions",
        unit: "perSecond",
        queries: [{ expr: "sum(job:cache_evictions:rate)", legend: "evictions" }],
        needs: { metric: "cache_evictions_total", snippet: "metrics.cache_evicted(count)" },
      },
    ],
  },
  {
    title: "Media and sockets",
    panels: [
      {
        id: "audio_streaming",
        title: "Audio stream errors",
        unit: "ratio",
        queries: [{ expr: "max(job:audio_stream_errors:ratio)", legend: "errors" }],
        thresholds: limits(0.05, 0.1),
        needs: { metric: "audio_streams_total", snippet: "with metrics.audio_stream(): ..." },
      },
      {
        id: "uploads",
        title: "Upload time",
        unit: "seconds",
        queries: [{ expr: "max(job:upload_duration_seconds:mean)", legend: "upload time" }],
        thresholds: limits(30, 60),
        needs: { metric: "upload_duration_seconds", snippet: "with metrics.upload(): ..." },
      },
      {
        id: "websocket",
        title: "WebSocket failures",
        unit: "ratio",
        queries: [{ expr: "max(job:ws_connection_errors:ratio)", legend: "failures" }],
        thresholds: limits(0.1, 0.2),
        needs: { metric: "ws_connections_total", snippet: HTTP },
      },
      {
        id: "websocket_connections",
        title: "WebSockets open",
        unit: "count",
        queries: [{ expr: "sum(job:ws_connections:active)", legend: "open" }],
        needs: { metric: "ws_connections_active", snippet: HTTP },
      },
    ],
  },
  {
    title: "Machine",
    panels: [
      {
        id: "system_load",
        title: "System load",
        unit: "count",
        queries: [{ expr: "max(job:node_load1:max)", legend: "load" }],
        thresholds: limits(5, 10),
        needs: host("node_load1"),
      },
      {
        id: "cpu",
        title: "CPU",
        unit: "ratio",
        queries: [{ expr: "instance:node_cpu:utilisation", legend: "{{instance}}", most: 8 }],
        thresholds: limits(0.8, 0.95),
        needs: host("node_cpu_seconds_total"),
      },
      {
        id: "memory",
        title: "Memory",
        unit: "ratio",
        queries: [{ expr: "instance:node_memory:utilisation", legend: "{{instance}}", most: 8 }],
        thresholds: limits(0.85, 0.95),
        needs: host("node_memory_MemAvailable_bytes"),
      },
      {
        id: "disk",
        title: "Disk",
        unit: "ratio",
        queries: [{ expr: "instance:node_filesystem:utilisation", legend: "{{instance}} {{mountpoint}}", most: 6 }],
        thresholds: limits(0.85, 0.95),
        needs: host("node_filesystem_avail_bytes"),
      },
    ],
  },
  {
    title: "People",
    panels: [
      {
        id: "concurrent_users",
        title: "Concurrent users",
        unit: "count",
        queries: [{ expr: "sum(job:active_users:sum)", legend: "users" }],
        needs: { metric: "active_users", snippet: "metrics.user_seen(user_id)" },
      },
      {
        id: "registrations",
        title: "Registrations",
        unit: "perSecond",
        queries: [{ expr: "sum(job:user_registrations:rate)", legend: "registrations" }],
        needs: { metric: "user_registrations_total", snippet: "metrics.user_registered()" },
      },
      {
        id: "features",
        wide: true,
        title: "Features used",
        unit: "perSecond",
        queries: [{ expr: "sum by (feature) (job:feature_used:rate)", legend: "{{feature}}", most: 5 }],
        needs: { metric: "feature_used_total", snippet: 'metrics.feature_used("search")' },
      },
    ],
  },
];

export const PANELS: readonly PanelDefinition[] = GROUPS.flatMap((group) => group.panels);
