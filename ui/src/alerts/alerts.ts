// Alerts as the pages show them, from the rules that hold them.

import type { LabelSet, RuleGroup } from "../api/types";
import { formatValue, parseValue, type Unit } from "../lib/format";

export interface ShownAlert {
  key: string;
  name: string;
  state: "firing" | "pending" | "inactive";
  severity: string;
  summary: string;
  description: string;
  runbook: string;
  since: Date;
  value: string;
  labels: LabelSet;
  annotations: LabelSet;
  query: string;
}

const ORDER = ["critical", "warning", "info"];

function rank(alert: ShownAlert): number {
  const severity = ORDER.indexOf(alert.severity);
  return (alert.state === "firing" ? 0 : 10) + (severity < 0 ? ORDER.length : severity);
}

export function bySeverity(alerts: readonly ShownAlert[]): ShownAlert[] {
  return [...alerts].sort((a, b) => rank(a) - rank(b) || a.since.getTime() - b.since.getTime());
}

export function alertsOf(groups: readonly RuleGroup[]): ShownAlert[] {
  return groups.flatMap((group) =>
    group.rules.flatMap((rule) =>
      (rule.alerts ?? []).map((alert) => ({
        key: `${group.file};${group.name};${rule.name};${JSON.stringify(alert.labels)}`,
        name: rule.name,
        state: alert.state,
        severity: alert.labels["severity"] ?? "none",
        summary: alert.annotations["summary"] ?? "",
        description: alert.annotations["description"] ?? "",
        runbook: safeLink(alert.annotations["runbook_url"]),
        since: new Date(alert.activeAt),
        value: formatValue(parseValue(alert.value), "count" satisfies Unit),
        labels: alert.labels,
        annotations: alert.annotations,
        query: rule.query,
      })),
    ),
  );
}

/** Only web addresses become links; label values come from outside. */
export function safeLink(url: string | undefined): string {
  return url !== undefined && /^(https?:\/\/|\/(?!\/))/i.test(url) ? url : "";
}

const LINE_LENGTH = 100;

/** What stands beside the name: the description, for it mostly has the number, where it is one line; else the summary. */
export function lineOf({ summary, description }: Pick<ShownAlert, "summary" | "description">): string {
  const isLine = description !== "" && description.length <= LINE_LENGTH && !description.includes("\n");
  return isLine ? description : summary || description;
}
