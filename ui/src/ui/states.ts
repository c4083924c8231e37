// Which level and which sign a state has, for all states that the pages name.

export type Level = "critical" | "warning" | "info" | "good" | "none";

const STATES: Readonly<Record<string, readonly [Level, string]>> = {
  critical: ["critical", "▲"],
  warning: ["warning", "◆"],
  info: ["info", "●"],
  firing: ["critical", "▲"],
  pending: ["warning", "◔"],
  inactive: ["none", "○"],
  resolved: ["good", "✓"],
  ok: ["good", "✓"],
  up: ["good", "✓"],
  good: ["good", "✓"],
  delivered: ["good", "✓"],
  active: ["info", "●"],
  down: ["critical", "✕"],
  err: ["critical", "✕"],
  failed: ["critical", "✕"],
  dead: ["critical", "✕"],
  silenced: ["none", "⊘"],
  inhibited: ["none", "⊘"],
  muted: ["none", "⊘"],
  acknowledged: ["info", "◉"],
  unacknowledged: ["none", "○"],
  expired: ["none", "○"],
  queued: ["info", "→"],
  withdrawn: ["none", "←"],
  grouped: ["none", "∈"],
  decided: ["none", "·"],
  passed: ["info", "→"],
  silence: ["info", "⊘"],
  unknown: ["none", "?"],
};

export function levelOf(state: string): Level {
  return STATES[state]?.[0] ?? "none";
}

export function signOf(state: string): string {
  return STATES[state]?.[1] ?? "·";
}
