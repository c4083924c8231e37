// One stream from the server for the whole page: news, and the newest points of every query that a panel watches.
// A hidden tab rests; a lost connection is resumed, and whoever watches fills the gap.

import type { LiveResult } from "../charts/lines";
import { liveUrl, type Watcher } from "./watching";

const POLL_MS = 5000;
const REST_AFTER_MS = 10_000;
const GATHER_MS = 20;
const SAY_RESUMED_MS = 8000;

class Live {
  /** ms of the newest sample that the server knows, or of the last poll */
  newestMs = $state(0);
  /** counts up whenever alerts change, or at each poll */
  alertsTick = $state(0);
  firing = $state(0);
  /** counts up whenever the stream has come back, and at each poll without it: ask for what is missing */
  resumed = $state(0);
  state = $state<"connecting" | "live" | "lost" | "resting">("connecting");
  /** the present, once a second, for "since" texts */
  nowMs = $state(Date.now());
  private saidUntilMs = $state(0);
  private lostMs = $state(0);

  readonly words = $derived(this.say());

  private source: EventSource | null = null;
  private readonly watchers = new Set<Watcher>();
  private gathering = 0;
  private resting = 0;
  private url = "";

  start(): void {
    setInterval(() => {
      if (!document.hidden) this.nowMs = Date.now();
    }, 1000);
    setInterval(() => this.poll(), POLL_MS);
    document.addEventListener("visibilitychange", () => this.seen(!document.hidden));
    this.soon();
  }

  /** Hear the newest values of some queries until the returned function is called. */
  watch(watcher: Watcher): () => void {
    this.watchers.add(watcher);
    this.soon();
    return () => {
      this.watchers.delete(watcher);
      this.soon();
    };
  }

  /** The panels of a page come and go together: one connection for all of them. */
  private soon(): void {
    clearTimeout(this.gathering);
    this.gathering = setTimeout(() => this.connect(), GATHER_MS);
  }

  private connect(): void {
    const url = liveUrl(this.watchers);
    if (document.hidden || (this.source && this.source.readyState !== EventSource.CLOSED && url === this.url)) return;
    this.source?.close();
    this.url = url;
    const source = new EventSource(url);
    this.source = source;
    source.onopen = () => this.opened();
    source.onerror = () => this.failed(source);
    source.addEventListener("data", (event: MessageEvent<string>) => {
      this.newestMs = (JSON.parse(event.data) as { time_ms: number }).time_ms;
    });
    source.addEventListener("alerts", (event: MessageEvent<string>) => {
      this.firing = (JSON.parse(event.data) as { firing: number }).firing;
      this.alertsTick += 1;
    });
    source.addEventListener("points", (event: MessageEvent<string>) => this.hear(url, event.data));
  }

  private hear(url: string, text: string): void {
    const { time_ms: timeMs, results } = JSON.parse(text) as { time_ms: number; results: LiveResult[] };
    const queries = new URL(url, location.origin).searchParams.getAll("query");
    const found = new Map(queries.map((query, index) => [query, results[index] ?? { series: [] }]));
    for (const watcher of this.watchers) {
      const own = watcher.queries.map((query) => found.get(query));
      if (own.every((one) => one !== undefined)) watcher.hear(timeMs / 1000, own as LiveResult[]);
    }
  }

  private opened(): void {
    if (this.state === "lost" || this.state === "resting") {
      if (this.state === "lost") this.saidUntilMs = Date.now() + SAY_RESUMED_MS;
      this.resumed += 1;
    }
    this.state = "live";
  }

  private failed(source: EventSource): void {
    if (source !== this.source) return;
    if (this.state !== "lost") this.lostMs = Date.now();
    this.state = "lost";
    // A refusal closes the source for good; otherwise it tries again by itself.
    if (source.readyState === EventSource.CLOSED) setTimeout(() => this.connect(), POLL_MS);
  }

  private seen(visible: boolean): void {
    clearTimeout(this.resting);
    if (visible) {
      this.nowMs = Date.now();
      this.connect();
    } else {
      this.resting = setTimeout(() => {
        this.source?.close();
        this.source = null;
        this.state = "resting";
      }, REST_AFTER_MS);
    }
  }

  private poll(): void {
    if (this.state !== "lost" || document.hidden) return;
    this.newestMs = Date.now();
    this.alertsTick += 1;
    this.resumed += 1;
  }

  private say(): string {
    if (this.state === "live") return this.nowMs < this.saidUntilMs ? "back, gap filled" : "live";
    if (this.state === "resting") return "resting";
    if (this.state === "connecting") return "connecting";
    const seconds = Math.max(0, Math.round((this.nowMs - this.lostMs) / 1000));
    return `lost ${seconds} s ago, trying`;
  }
}

export const live = new Live();
