// Alerting as Backbeat's own API and Alertmanager's tell it: who is told what, what keeps it quiet, what was done.

import { ApiError, backbeat, posted, request } from "./client";
import type { LabelSet } from "./types";

const UNREACHABLE = "Backbeat does not answer this. Reload the page; its log says more.";

export interface RoutedGroup {
  receiver: { name: string };
  alerts: {
    fingerprint: string;
    labels: LabelSet;
    annotations: LabelSet;
    startsAt: string;
    generatorURL?: string;
    status: { silencedBy: string[]; inhibitedBy: string[]; mutedBy?: string[] };
  }[];
}

/** The firing alerts as they are grouped; one that several receivers get is in several groups. */
export async function routedGroups(signal?: AbortSignal): Promise<RoutedGroup[]> {
  const response = await request("/api/v2/alerts/groups", {}, signal ? { signal } : {});
  if (!response.ok) throw new ApiError(UNREACHABLE, "answered");
  return (await response.json()) as RoutedGroup[];
}

export interface Acknowledgement {
  fingerprint: string;
  labels: LabelSet;
  createdBy: string;
  comment: string;
  at: string;
}

export function acknowledgements(signal?: AbortSignal): Promise<Acknowledgement[]> {
  return backbeat("acknowledgements", {}, signal ? { signal } : {});
}

export function acknowledge(alerts: readonly string[], createdBy: string, comment: string): Promise<unknown> {
  return backbeat("acknowledgements", {}, posted({ alerts, createdBy, comment }));
}

export function takeBack(fingerprint: string, by: string): Promise<unknown> {
  return backbeat(`acknowledgements/${fingerprint}`, { by }, { method: "DELETE" });
}

export interface AlertEvent {
  at: string;
  kind: string;
  /** one line for people */
  words: string;
  fingerprint: string;
  receiver: string;
  integration: string;
  reason: string;
  detail: string;
  labels: LabelSet;
}

export interface HistoryPage {
  events: AlertEvent[];
  /** 0: nothing older */
  nextBefore: number;
}

export interface Wanted {
  since?: string | undefined;
  until?: string | undefined;
  match?: readonly string[];
  text?: string | undefined;
  before?: number | undefined;
  limit?: number;
}

export function history(wanted: Wanted, signal?: AbortSignal): Promise<HistoryPage> {
  return backbeat("alerts/history", { ...wanted }, signal ? { signal } : {});
}

export interface Trail {
  fingerprint: string;
  labels: LabelSet;
  firing: boolean;
  trail: AlertEvent[];
  now: { silencedBy: string[]; inhibitedBy: string[]; mutedBy: string[]; acknowledgedBy?: string } | null;
}

export function trails(alert: string, signal?: AbortSignal): Promise<Trail[]> {
  return backbeat(`alerts/${encodeURIComponent(alert)}/trail`, { limit: 200 }, signal ? { signal } : {});
}

export interface PreviewedAlert {
  fingerprint: string;
  labels: LabelSet;
  annotations: LabelSet;
  startsAt: string;
  receivers: string[];
  silencedBy: string[];
}

export function previewSilence(matchers: readonly string[], signal?: AbortSignal): Promise<{ wouldMute: PreviewedAlert[] }> {
  return backbeat("silences/preview", {}, { ...posted({ matchers }), ...(signal ? { signal } : {}) });
}

/** A time interval as `time_intervals` in alertmanager.yml writes it. */
export interface ScheduleInterval {
  times?: { start_time: string; end_time: string }[];
  weekdays?: string[];
  location?: string;
}

export interface Silence {
  id: string;
  state: "active" | "pending" | "expired";
  matchers: string[];
  startsAt: string;
  endsAt: string;
  updatedAt: string;
  createdBy: string;
  comment: string;
  schedule: ScheduleInterval[] | null;
}

export function silences(states: readonly string[], signal?: AbortSignal): Promise<Silence[]> {
  return backbeat("silences", { state: states }, signal ? { signal } : {});
}

export interface NewSilence {
  id?: string;
  matchers: string[];
  startsAt?: string;
  endsAt?: string;
  duration?: string;
  createdBy: string;
  comment: string;
  schedule?: ScheduleInterval[];
  confirmed?: boolean;
}

export function makeSilence(wanted: NewSilence): Promise<{ mutes: PreviewedAlert[] }> {
  return backbeat("silences", {}, posted(wanted));
}

export function endSilence(id: string): Promise<unknown> {
  return backbeat(`silences/${id}`, {}, { method: "DELETE" });
}

export interface RouteNode {
  matchers: string;
  receiver: string;
  continue: boolean;
  groupBy: string[];
  groupWaitMs: number;
  groupIntervalMs: number;
  repeatIntervalMs: number;
  muteTimeIntervals: string[];
  activeTimeIntervals: string[];
  groups: number;
  muted: string;
  routes: RouteNode[];
}

export interface Routing {
  configured: boolean;
  route: RouteNode;
  inhibitRules: { name: string; sourceMatchers: string[]; targetMatchers: string[]; equal: string[] }[];
  timeIntervals: { name: string; holdsNow: boolean }[];
}

export function routing(signal?: AbortSignal): Promise<Routing> {
  return backbeat("routing", {}, signal ? { signal } : {});
}

export interface Receiver {
  name: string;
  used: boolean;
  integrations: {
    name: string;
    lastSuccess: string | null;
    lastFailure: string | null;
    lastError: string;
    failures: number;
    waiting: number;
    dead: number;
  }[];
}

export function receivers(signal?: AbortSignal): Promise<Receiver[]> {
  return backbeat("receivers", {}, signal ? { signal } : {});
}

export function testReceiver(name: string): Promise<{ integration: string; ok: boolean; answer: string }[]> {
  return backbeat(`receivers/${encodeURIComponent(name)}/test`, {}, { method: "POST" });
}

export interface WayOut {
  path: string[];
  /** which child leads on, from the root down; null of a route beside the tree */
  places: number[] | null;
  receiver: string;
  integrations: string[];
  groupBy: string[];
  groupLabels: LabelSet;
  groupKey: string;
  groupWaitMs: number;
  groupIntervalMs: number;
  repeatIntervalMs: number;
  muted: string;
}

export interface TriedRoute {
  labels: LabelSet;
  routes: WayOut[];
  silencedBy: string[];
  inhibitedBy: string;
  reachesSomebody: boolean;
}

export function tryRoute(labels: readonly string[], signal?: AbortSignal): Promise<TriedRoute> {
  return backbeat("route", { label: labels }, signal ? { signal } : {});
}
