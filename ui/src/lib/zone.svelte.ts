// Whether times are shown in the browser's zone or in UTC; remembered.

import { recall, remember } from "./memory";

const KEY = "backbeat.zone";

class Zone {
  utc = $state(recall(KEY) === "utc");

  /** for Intl: undefined is the browser's own */
  get name(): string | undefined {
    return this.utc ? "UTC" : undefined;
  }

  toggle(): void {
    this.utc = !this.utc;
    remember(KEY, this.utc ? "utc" : "local");
  }
}

export const zone = new Zone();
