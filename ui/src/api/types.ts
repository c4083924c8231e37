// What the server answers, as far as the pages read it.

export type LabelSet = Record<string, string>;
export type Point = [seconds: number, value: string];

export interface MatrixSeries {
  metric: LabelSet;
  values: Point[];
}

export interface VectorSample {
  metric: LabelSet;
  value: Point;
}

export type QueryData =
  | { resultType: "matrix"; result: MatrixSeries[] }
  | { resultType: "vector"; result: VectorSample[] }
  | { resultType: "scalar" | "string"; result: Point };

export interface RuleAlert {
  state: "pending" | "firing" | "inactive";
  labels: LabelSet;
  annotations: LabelSet;
  activeAt: string;
  value: string;
}

export interface Rule {
  type: "alerting" | "recording";
  name: string;
  query: string;
  health: string;
  lastError?: string;
  evaluationTime: number;
  lastEvaluation: string;
  state?: "pending" | "firing" | "inactive";
  duration?: number;
  keepFiringFor?: number;
  labels?: LabelSet;
  annotations?: LabelSet;
  alerts?: RuleAlert[];
}

export interface RuleGroup {
  name: string;
  file: string;
  interval: number;
  evaluationTime: number;
  lastEvaluation: string;
  rules: Rule[];
}

export interface Target {
  discoveredLabels: LabelSet;
  labels: LabelSet;
  scrapePool: string;
  scrapeUrl: string;
  lastError: string;
  lastScrape: string;
  lastScrapeDuration: number;
  health: "up" | "down" | "unknown";
  scrapeInterval: string;
  scrapeTimeout: string;
}

export interface RoutedAlert {
  fingerprint: string;
  labels: LabelSet;
  annotations: LabelSet;
  startsAt: string;
  status: { state: string; silencedBy: string[]; inhibitedBy: string[] };
  receivers: { name: string }[];
}
