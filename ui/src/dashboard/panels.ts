// Every panel of the Performance Dashboard: what it asks and where its thresholds are.
// The recorded names come from the NormalDance profile's recording rules.

import type { Unit } from "../lib/format";
import type { Query } from "./lines";

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

function limits(warning: number, critical: number): PanelDefinition["thresholds"] {
  return [
    { value: warning, severity: "warning" },
    { value: critical, severity: "critical" },
  ];
}

export const SCORE_EXPR = "min(performance_score)";
export const POINTS_LOST_EXPR = "max by (signal) (performance_score:points_lost)";

export const PANELS: readonly PanelDefinition[] = [];
export const PANEL_OF_SIGNAL: Readonly<Record<string, string>> = {};
export const SIGNAL_TITLES: Readonly<Record<string, string>> = {};
export { limits };
