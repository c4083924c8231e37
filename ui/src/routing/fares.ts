// What an integration of a receiver is called, and how it fares, in one word.

import type { Receiver } from "../api/oncall";

/** `webhook` of `webhook[0]`, `webhook 2` of `webhook[1]`. */
export function spoken(integration: string): string {
  const [, kind = integration, index = "0"] = /^(.*)\[(\d+)\]$/.exec(integration) ?? [];
  return index === "0" ? kind : `${kind} ${Number(index) + 1}`;
}

export function fares(one: Receiver["integrations"][number]): { state: string; word: string } {
  if (one.failures > 0) return { state: "failed", word: one.failures === 1 ? "failed once" : `failed ${one.failures} times` };
  if (one.dead > 0) return { state: "warning", word: "refused some" };
  return one.lastSuccess ? { state: "ok", word: "takes messages" } : { state: "unknown", word: "not tried yet" };
}
