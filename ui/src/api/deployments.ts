// New versions and restarts of services.

import { backbeat } from "./client";
import type { Own } from "./own";

export type Deployment = Own<"Deployment">;

export function deployments(startS: number, endS: number, signal?: AbortSignal): Promise<Deployment[]> {
  return backbeat<Deployment[]>("deployments", { start: startS, end: endS }, signal ? { signal } : {});
}
