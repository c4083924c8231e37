// The lines of one panel, kept fresh: history by query, then point by point from the stream.

import { ApiError } from "../api/client";
import { live } from "../lib/live.svelte";
import { everyOf } from "../lib/watching";
import { LineStore, type Lines, type LiveResult, type Query } from "./lines";
import type { TimeWindow } from "./window";

export class LiveLines {
  lines = $state.raw<Lines | null>(null);
  error = $state("");
  /** a question is under way that changes what is shown */
  busy = $state(true);
  /** counts the questions that were answered in full; what the stream adds is no question */
  answered = $state(0);
  /** the right edge of the chart, in s */
  toS = $state(Date.now() / 1000);
  private store: LineStore | null = null;
  private controller = new AbortController();
  private isFilling = false;

  /** Show other queries or another window; what was there stays until the new lines have come. */
  async show(queries: readonly Query[], window: TimeWindow): Promise<void> {
    this.stop();
    this.busy = true;
    const { signal } = (this.controller = new AbortController());
    const store = new LineStore(queries, window);
    const nowS = Date.now() / 1000;
    await this.trying(signal, async () => {
      const lines = await store.load(nowS, signal);
      if (signal.aborted) return;
      [this.store, this.lines, this.toS] = [store, lines, window.fixed?.toS ?? nowS];
      this.answered += 1;
    });
    if (!signal.aborted) this.busy = false;
  }

  hear(timeS: number, results: readonly LiveResult[]): void {
    const failed = results.find((result) => "error" in result);
    if (failed && "error" in failed) {
      this.error = failed.error;
      return;
    }
    if (!this.store) return;
    const lines = this.store.hear(timeS, results);
    if (lines) [this.lines, this.toS, this.error] = [lines, Math.max(this.toS, timeS), ""];
    else void this.fill();
  }

  /** Ask for the steps that the stream has not brought. */
  async fill(): Promise<void> {
    const { store, controller } = this;
    if (!store || store.window.fixed || this.isFilling) return;
    this.isFilling = true;
    const nowS = Date.now() / 1000;
    await this.trying(controller.signal, async () => {
      const lines = await store.refresh(nowS, controller.signal);
      if (lines && !controller.signal.aborted) [this.lines, this.toS] = [lines, nowS];
    });
    this.isFilling = false;
  }

  stop(): void {
    this.controller.abort();
    this.store = null;
    this.isFilling = false;
  }

  private async trying(signal: AbortSignal, act: () => Promise<void>): Promise<void> {
    try {
      await act();
      if (!signal.aborted) this.error = "";
    } catch (failure) {
      if (!signal.aborted) this.error = failure instanceof ApiError ? failure.message : String(failure);
    }
  }
}

/** Lines for a component: they follow what the functions read, and the stream while the window is live. */
export function liveLines(queries: () => readonly Query[], window: () => TimeWindow): LiveLines {
  const made = new LiveLines();
  $effect(() => {
    const [asked, shown] = [queries(), window()];
    if (asked.length === 0) return;
    void made.show(asked, shown);
    if (shown.fixed) return () => made.stop();
    const leave = live.watch({
      queries: asked.map((query) => query.expr),
      everyS: everyOf(shown.stepS),
      hear: (timeS, results) => made.hear(timeS, results),
    });
    return () => {
      leave();
      made.stop();
    };
  });
  $effect(() => {
    if (live.resumed > 0) void made.fill();
  });
  return made;
}
