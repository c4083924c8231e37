// Alerts as rules hold them, joined with what routing makes of them and who looks after them.

import type { Acknowledgement, RoutedGroup } from "../api/oncall";
import type { LabelSet, RuleGroup } from "../api/types";
import { alertsOf, bySeverity, safeLink, type ShownAlert } from "./alerts";
import { fingerprint } from "./fingerprint";

export type Quiet = "silenced" | "inhibited" | "muted";

export interface JoinedAlert extends ShownAlert {
  fingerprint: string;
  receivers: string[];
  silencedBy: string[];
  /** fingerprints of the alerts that inhibit it */
  inhibitedBy: string[];
  mutedBy: string[];
  acknowledged: Acknowledgement | null;
}

export const STATES = ["firing", "pending", "acknowledged", "quiet"] as const;
export type StateFilter = (typeof STATES)[number];

export function quietOf(alert: JoinedAlert): Quiet | null {
  if (alert.silencedBy.length) return "silenced";
  if (alert.inhibitedBy.length) return "inhibited";
  return alert.mutedBy.length ? "muted" : null;
}

/** All alerts, the gravest first. Those that others sent to Backbeat are among them; pending ones are not routed yet. */
export function joined(groups: readonly RuleGroup[], routed: readonly RoutedGroup[], acknowledged: readonly Acknowledgement[]): JoinedAlert[] {
  const byFingerprint = new Map(acknowledged.map((one) => [one.fingerprint, one]));
  const found = new Map(routedOnce(routed).map((one) => [one.fingerprint, one]));
  const own = alertsOf(groups)
    .filter((alert) => alert.state !== "inactive")
    .map((alert): JoinedAlert => {
      const mark = fingerprint(alert.labels);
      // Relabelling may have added labels on the way; then the rule's are a part of them.
      const there = found.get(mark) ?? [...found.values()].find((one) => alert.state === "firing" && isPart(alert.labels, one.labels));
      if (there) found.delete(there.fingerprint);
      const id = there?.fingerprint ?? mark;
      return { ...alert, ...NOWHERE, ...there, labels: there?.labels ?? alert.labels, fingerprint: id, acknowledged: byFingerprint.get(id) ?? null };
    });
  const foreign = [...found.values()].map((one): JoinedAlert => ({ ...asShown(one), ...one, acknowledged: byFingerprint.get(one.fingerprint) ?? null }));
  return bySeverity([...own, ...foreign]) as JoinedAlert[];
}

const NOWHERE = { receivers: [], silencedBy: [], inhibitedBy: [], mutedBy: [] };

interface Routed {
  fingerprint: string;
  labels: LabelSet;
  annotations: LabelSet;
  startsAt: string;
  receivers: string[];
  silencedBy: string[];
  inhibitedBy: string[];
  mutedBy: string[];
}

function routedOnce(groups: readonly RoutedGroup[]): Routed[] {
  const found = new Map<string, Routed>();
  for (const group of groups)
    for (const { fingerprint, labels, annotations, startsAt, status } of group.alerts) {
      const known = found.get(fingerprint);
      const { silencedBy, inhibitedBy, mutedBy = [] } = status;
      const receivers = [group.receiver.name];
      if (!known) found.set(fingerprint, { fingerprint, labels, annotations, startsAt, receivers, silencedBy, inhibitedBy, mutedBy });
      else {
        if (!known.receivers.includes(group.receiver.name)) known.receivers.push(group.receiver.name);
        // Muted is an alert that no group tells anybody of.
        if (!mutedBy.length) known.mutedBy = [];
      }
    }
  return [...found.values()];
}

function isPart(part: LabelSet, whole: LabelSet): boolean {
  return Object.entries(part).every(([name, value]) => whole[name] === value);
}

function asShown(one: Routed): ShownAlert {
  return {
    key: one.fingerprint,
    name: one.labels["alertname"] ?? "",
    state: "firing",
    severity: one.labels["severity"] ?? "none",
    summary: one.annotations["summary"] ?? "",
    description: one.annotations["description"] ?? "",
    runbook: safeLink(one.annotations["runbook_url"]),
    since: new Date(one.startsAt),
    value: "",
    labels: one.labels,
    annotations: one.annotations,
    query: "",
  };
}

export function isIn(alert: JoinedAlert, state: StateFilter): boolean {
  switch (state) {
    case "firing":
      return alert.state === "firing" && !alert.acknowledged && quietOf(alert) === null;
    case "pending":
      return alert.state === "pending";
    case "acknowledged":
      return alert.acknowledged !== null;
    case "quiet":
      return quietOf(alert) !== null;
  }
}

/** Every word must be in the name, a label or a text; `job=web` wants this very label. */
export function accepts(alert: JoinedAlert, text: string): boolean {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const labels = Object.entries(alert.labels).map(([name, value]) => `${name}=${value}`.toLowerCase());
  const all = [...labels, alert.summary.toLowerCase(), alert.description.toLowerCase(), ...alert.receivers.map((one) => one.toLowerCase())];
  return words.every((word) => (/^[\w.-]+=./.test(word) ? labels.includes(word) : all.some((one) => one.includes(word))));
}

export interface AlertGroup {
  title: string;
  alerts: JoinedAlert[];
}

/** By the value of a label, groups in the order of their gravest alert; an empty label makes one group of all. */
export function groupedBy(alerts: readonly JoinedAlert[], label: string): AlertGroup[] {
  const groups = new Map<string, JoinedAlert[]>();
  for (const alert of alerts) {
    const title = label === "" ? "" : label === "state" ? alert.state : (alert.labels[label] ?? "");
    groups.set(title, [...(groups.get(title) ?? []), alert]);
  }
  return [...groups].map(([title, own]) => ({ title, alerts: own }));
}

/** The labels that alerts can be grouped by: those that more than one has, the usual first. */
export function groupLabels(alerts: readonly JoinedAlert[]): string[] {
  const counts = new Map<string, number>();
  for (const alert of alerts) for (const name of Object.keys(alert.labels)) counts.set(name, (counts.get(name) ?? 0) + 1);
  const usual = ["alertname", "severity", "job", "instance"];
  const others = [...counts.keys()].filter((name) => !usual.includes(name)).sort();
  return ["state", ...[...usual, ...others].filter((name) => counts.has(name))];
}
