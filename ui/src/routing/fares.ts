// How an integration of a receiver fares, in one word.

import type { Receiver } from "../api/oncall";

export function fares(one: Receiver["integrations"][number]): { state: string; word: string } {
  if (one.failures > 0) return { state: "failed", word: one.failures === 1 ? "failed once" : `failed ${one.failures} times` };
  if (one.dead > 0) return { state: "warning", word: "refused some" };
  return one.lastSuccess ? { state: "ok", word: "takes messages" } : { state: "unknown", word: "not tried yet" };
}
