// The signals of the score, in the order of the guide. A signal's alerts have its name in their label `signal`.

export interface Signal {
  name: string;
  title: string;
  /** what it is, in a sentence */
  about: string;
  /** the metric whose labels it can be split by */
  metric: string;
  /** the label it is split by first */
  label: string;
  /** the signal by a label, as PromQL */
  by: (label: string) => string;
  /** how much of it there is by a label: requests, queries, uploads a second */
  amount?: { title: string; by: (label: string) => string };
  /** the histogram to draw as a heat map */
  histogram?: string;
}

function rate(metric: string, label: string, matchers = ""): string {
  return `sum by (${label}) (rate(${metric}${matchers}[5m]))`;
}
function ratio(part: string, whole: string, label: string): string {
  return `${rate(part, label)} / (${rate(whole, label)} > 0)`;
}
function mean(histogram: string, label: string): string {
  return ratio(`${histogram}_sum`, `${histogram}_count`, label);
}
function amount(title: string, metric: string): NonNullable<Signal["amount"]> {
  return { title, by: (label) => rate(metric, label) };
}

export const SIGNALS: readonly Signal[] = [
  {
    name: "response_time",
    title: "Response time",
    about: "The 95th percentile of the time from a request to the first byte of its answer.",
    metric: "http_request_duration_seconds_count",
    label: "route",
    by: (label) => `histogram_quantile(0.95, sum by (${label}, le) (rate(http_request_duration_seconds_bucket[5m]))) >= 0`,
    amount: amount("Requests", "http_request_duration_seconds_count"),
    histogram: "http_request_duration_seconds",
  },
  {
    name: "error_rate",
    title: "Error rate",
    about: "The share of requests that were answered with a status of 500 or above.",
    metric: "http_requests_total",
    label: "route",
    by: (label) => `${rate("http_requests_total", label, '{status=~"5.."}')} / (${rate("http_requests_total", label)} > 0)`,
    amount: amount("Requests", "http_requests_total"),
  },
  {
    name: "database",
    title: "Database",
    about: "The mean time of a statement.",
    metric: "db_query_duration_seconds_count",
    label: "operation",
    by: (label) => mean("db_query_duration_seconds", label),
    amount: amount("Statements", "db_query_duration_seconds_count"),
    histogram: "db_query_duration_seconds",
  },
  {
    name: "cache",
    title: "Cache",
    about: "The share of lookups that found a value; the score counts those that did not.",
    metric: "cache_hits_total",
    label: "instance",
    by: (label) =>
      `${rate("cache_hits_total", label)} / (${rate("cache_hits_total", label)} + ${rate("cache_misses_total", label)} > 0)`,
    amount: amount("Hits", "cache_hits_total"),
  },
  {
    name: "audio_streaming",
    title: "Audio streaming",
    about: "The share of audio streams that broke off by our fault.",
    metric: "audio_streams_total",
    label: "instance",
    by: (label) => ratio("audio_stream_errors_total", "audio_streams_total", label),
    amount: amount("Streams", "audio_streams_total"),
  },
  {
    name: "uploads",
    title: "Uploads",
    about: "The mean time from the first byte of an upload until it is stored.",
    metric: "upload_duration_seconds_count",
    label: "instance",
    by: (label) => mean("upload_duration_seconds", label),
    amount: amount("Uploads", "upload_duration_seconds_count"),
    histogram: "upload_duration_seconds",
  },
  {
    name: "websocket",
    title: "WebSockets",
    about: "The share of WebSocket connections that were refused or ended by an error.",
    metric: "ws_connections_total",
    label: "instance",
    by: (label) => ratio("ws_connection_errors_total", "ws_connections_total", label),
    amount: amount("Connections", "ws_connections_total"),
  },
  {
    name: "rate_limiting",
    title: "Rate limiting",
    about: "Requests a second that were refused because their client sent too many.",
    metric: "api_rate_limited_total",
    label: "instance",
    by: (label) => rate("api_rate_limited_total", label),
  },
  {
    name: "system_load",
    title: "System load",
    about: "The highest load average of one minute among the machines.",
    metric: "node_load1",
    label: "instance",
    by: (label) => `max by (${label}) (node_load1)`,
  },
];
