// What stands on every chart beside its lines: when alerts fired, what was deployed or restarted, where the thresholds are.

import { getContext, setContext } from "svelte";
import { queryVector } from "../api/client";
import { deployments, type Deployment } from "../api/deployments";
import { liveLines } from "../charts/live-lines.svelte";
import type { Period, Threshold } from "../charts/marks";
import { edges, type TimeWindow } from "../charts/window";
import { parseValue } from "../lib/format";
import { live } from "../lib/live.svelte";
import { resource } from "../lib/resource.svelte";
import { periodsOf } from "./judge";

const FIRING = 'max by (alertname, severity, signal) (ALERTS{alertstate="firing"})';
const THRESHOLDS = '{__name__=~"signal:(warning|critical):threshold"}';
const KEY = Symbol("annotations");
const NEWS_EVERY_MS = 30_000;

export class Annotations {
  readonly periods: readonly (Period & { signal: string })[] = $derived.by(() => periodsOf(this.fired.lines));
  readonly deployed: readonly Deployment[] = $derived.by(() => this.changes.data ?? []);
  readonly moments = $derived.by(() => this.deployed.map((one) => ({ atS: one.atMs / 1000, name: one.words })));
  private readonly fired;
  private readonly changes;
  private readonly limits;

  constructor(window: () => TimeWindow) {
    this.fired = liveLines(() => [{ expr: FIRING, legend: "{{alertname}}", most: 1000 }], window);
    this.changes = resource(
      (signal) => {
        const { startS, endS } = edges(window(), Date.now() / 1000);
        return deployments(startS, endS, signal);
      },
      () => [window(), live.resumed, Math.floor(live.nowMs / NEWS_EVERY_MS)],
    );
    this.limits = resource((signal) => queryVector(THRESHOLDS, signal));
  }

  /** When alerts about a signal fired. */
  of(signal: string): readonly Period[] {
    return this.periods.filter((period) => period.signal === signal);
  }

  /** The thresholds of a signal as the rules have them now; those given where the rules have none. */
  thresholds(signal: string, given: readonly Threshold[], lowIsBad: boolean): readonly Threshold[] {
    return given.map((one) => {
      const found = this.limits.data?.find(
        ({ metric }) => metric["signal"] === signal && metric["__name__"] === `signal:${one.severity}:threshold`,
      );
      if (!found) return one;
      // The score measures what is bad, so of the cache the misses.
      const value = parseValue(found.value[1]);
      return { ...one, value: lowIsBad ? 1 - value : value };
    });
  }
}

export function provideAnnotations(window: () => TimeWindow): Annotations {
  return setContext(KEY, new Annotations(window));
}

export function annotations(): Annotations {
  return getContext<Annotations>(KEY);
}
