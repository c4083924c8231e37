// News from the server: new samples have landed, alerts have changed. Falls back to a timer.

const POLL_MS = 5000;

class Live {
  /** ms of the newest sample that the server knows, or of the last poll */
  newestMs = $state(0);
  /** counts up whenever alerts change, or at each poll */
  alertsTick = $state(0);
  firing = $state(0);
  connected = $state(false);
  /** the present, once a second, for "since" texts */
  nowMs = $state(Date.now());

  readonly state = $derived<"live" | "lost" | "resting" | "connecting">(this.connected ? "live" : "connecting");
  readonly words = $derived(this.connected ? "live" : "polling");
  readonly detail = $derived(this.connected ? "New data arrives by itself." : "Asking every 5 seconds.");

  private source: EventSource | null = null;

  start(): void {
    if (this.source) return;
    setInterval(() => (this.nowMs = Date.now()), 1000);
    setInterval(() => this.poll(), POLL_MS);
    this.connect();
  }

  private connect(): void {
    const source = new EventSource("/api/backbeat/v1/live");
    this.source = source;
    source.onopen = () => (this.connected = true);
    source.onerror = () => {
      this.connected = false;
      if (source.readyState === EventSource.CLOSED) setTimeout(() => this.connect(), POLL_MS);
    };
    source.addEventListener("data", (event: MessageEvent<string>) => {
      this.newestMs = (JSON.parse(event.data) as { time_ms: number }).time_ms;
    });
    source.addEventListener("alerts", (event: MessageEvent<string>) => {
      this.firing = (JSON.parse(event.data) as { firing: number }).firing;
      this.alertsTick += 1;
    });
  }

  private poll(): void {
    if (this.connected) return;
    this.newestMs = Date.now();
    this.alertsTick += 1;
  }
}

export const live = new Live();
