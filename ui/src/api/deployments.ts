// New versions and restarts of services.

import { backbeat } from "./client";

export interface Deployment {
  atMs: number;
  kind: "deployed" | "restarted";
  service: string;
  version: string;
  /** one line for people */
  words: string;
}

export function deployments(startS: number, endS: number, signal?: AbortSignal): Promise<Deployment[]> {
  return backbeat<Deployment[]>("deployments", { start: startS, end: endS }, signal ? { signal } : {});
}
