// Something asked of the server: what it answered last, whether it is asked again, what failed.

import { ApiError } from "../api/client";

export class Resource<T> {
  /** the newest answer; stays while a newer one is on its way or has failed */
  data = $state.raw<T | null>(null);
  error = $state("");
  busy = $state(true);
  /** ms of the newest answer */
  atMs = $state(0);
  private controller = new AbortController();

  constructor(private readonly ask: (signal: AbortSignal) => Promise<T>) {}

  /** Ask again, and drop the question that is under way. */
  async load(): Promise<void> {
    this.controller.abort();
    const { signal } = (this.controller = new AbortController());
    this.busy = true;
    try {
      const answer = await this.ask(signal);
      if (signal.aborted) return;
      [this.data, this.error, this.atMs] = [answer, "", Date.now()];
    } catch (failure) {
      if (signal.aborted) return;
      this.error = failure instanceof ApiError ? failure.message : String(failure);
    }
    this.busy = false;
  }

  stop(): void {
    this.controller.abort();
  }
}

/** A resource that a component shows: asked when it appears and whenever what `when` reads changes. */
export function resource<T>(ask: (signal: AbortSignal) => Promise<T>, when: () => unknown = () => null): Resource<T> {
  const made = new Resource(ask);
  $effect(() => {
    when();
    void made.load();
  });
  $effect(() => () => made.stop());
  return made;
}
