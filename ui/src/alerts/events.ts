// The events of the history, for reading.

import type { AlertEvent } from "../api/oncall";

export interface Folded {
  event: AlertEvent;
  /** how often the same was said in a row; the newest stands */
  times: number;
}

/** The same words again and again ("nothing changed since the last notification") become one line. */
export function foldedTrail(events: readonly AlertEvent[]): Folded[] {
  const folded: Folded[] = [];
  for (const event of events) {
    const place = folded.findLastIndex((one, index) => index >= folded.length - 6 && one.event.kind === "decided" && one.event.words === event.words);
    const same = folded[place];
    if (same && event.kind === "decided" && folded.slice(place + 1).every((one) => one.event.kind === "decided")) folded[place] = { event, times: same.times + 1 };
    else folded.push({ event, times: 1 });
  }
  return folded;
}

/** What a person looks for in the history; `everything` has each decision and step besides. */
export const KIND_GROUPS: Readonly<Record<string, readonly string[]>> = {
  "": [
    ...["firing", "resolved", "delivered", "failed", "dead", "withdrawn"],
    ...["silenced", "inhibited", "muted", "passed", "acknowledged", "unacknowledged", "silence"],
  ],
  alerts: ["firing", "resolved"],
  messages: ["queued", "delivered", "failed", "dead", "withdrawn"],
  quiet: ["silenced", "inhibited", "muted", "passed"],
  people: ["acknowledged", "unacknowledged", "silence"],
  everything: [],
};
