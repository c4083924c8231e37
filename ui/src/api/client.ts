// The one way the pages talk to the server. Errors are texts for people, with what to do next.

import type { MatrixSeries, QueryData, RoutedAlert, RuleGroup, Target, VectorSample } from "./types";

export class ApiError extends Error {
  constructor(
    message: string,
    readonly kind: "unreachable" | "refused" | "answered",
  ) {
    super(message);
  }
}

interface Envelope<T> {
  status: "success" | "error";
  data: T;
  error?: string;
  warnings?: string[];
}

/** A list is a parameter that is given several times. */
export type Params = Record<string, string | number | readonly string[] | undefined>;

export async function request(path: string, params: Params = {}, init: RequestInit = {}): Promise<Response> {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params))
    for (const one of Array.isArray(value) ? (value as readonly string[]) : [value])
      if (one !== undefined) query.append(name, String(one));
  const url = query.size > 0 ? `${path}?${query.toString()}` : path;
  try {
    return await fetch(url, init);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError("Backbeat does not answer. Is it running? Trying again by itself.", "unreachable");
  }
}

/** Asks Prometheus's API. */
export function prometheus<T>(path: string, params: Params = {}, signal?: AbortSignal): Promise<T> {
  return enveloped(`/api/v1/${path}`, params, signal ? { signal } : {});
}

/** Asks Backbeat's own API. */
export function backbeat<T>(path: string, params: Params = {}, init: RequestInit = {}): Promise<T> {
  return enveloped(`/api/backbeat/v1/${path}`, params, init);
}

/** A JSON body to send. */
export function posted(body: unknown): RequestInit {
  return { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
}

async function enveloped<T>(path: string, params: Params, init: RequestInit): Promise<T> {
  const response = await request(path, params, init);
  if (response.status === 401) throw new ApiError("Not signed in. Reload the page to sign in.", "refused");
  let body: Envelope<T>;
  try {
    body = (await response.json()) as Envelope<T>;
  } catch {
    throw new ApiError(`Backbeat answered ${response.status} without a reason; see its log.`, "answered");
  }
  if (body.status !== "success") throw new ApiError(body.error ?? `error ${response.status}`, "answered");
  return body.data;
}

export async function queryRange(
  expr: string,
  startS: number,
  endS: number,
  stepS: number,
  signal?: AbortSignal,
): Promise<MatrixSeries[]> {
  const params = { query: expr, start: startS, end: endS, step: stepS };
  const data = await prometheus<QueryData>("query_range", params, signal);
  return data.resultType === "matrix" ? data.result : [];
}

export async function queryInstant(expr: string, atS?: number, signal?: AbortSignal): Promise<QueryData> {
  return prometheus<QueryData>("query", { query: expr, time: atS }, signal);
}

export async function queryVector(expr: string, signal?: AbortSignal): Promise<VectorSample[]> {
  const data = await queryInstant(expr, undefined, signal);
  return data.resultType === "vector" ? data.result : [];
}

export async function labelValues(label: string, signal?: AbortSignal): Promise<string[]> {
  return prometheus<string[]>(`label/${encodeURIComponent(label)}/values`, {}, signal);
}

export async function rules(): Promise<RuleGroup[]> {
  return (await prometheus<{ groups: RuleGroup[] }>("rules")).groups;
}

export async function targets(): Promise<Target[]> {
  return (await prometheus<{ activeTargets: Target[] }>("targets", { state: "active" })).activeTargets;
}

export async function status<T>(what: string): Promise<T> {
  return prometheus<T>(`status/${what}`);
}

export async function routedAlerts(): Promise<RoutedAlert[]> {
  const response = await request("/api/v2/alerts");
  return response.ok ? ((await response.json()) as RoutedAlert[]) : [];
}

export interface NewSilence {
  matchers: { name: string; value: string; isRegex: boolean; isEqual: boolean }[];
  startsAt: string;
  endsAt: string;
  createdBy: string;
  comment: string;
}

export async function createSilence(silence: NewSilence): Promise<void> {
  const response = await fetch("/api/v2/silences", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(silence),
  });
  if (!response.ok) throw new ApiError(await response.text(), "answered");
}
