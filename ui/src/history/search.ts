// What the history page asks for.

import { matcherText, parseMatchers } from "../alerts/matchers";
import type { AlertEvent, HistoryPage } from "../api/oncall";

const ENOUGH = 60;
const MOST_PAGES = 10;

/** The matchers of a text, each by itself; a bare word is left to the server, whose error says what would be right. */
export function matchersIn(text: string): string[] {
  if (!text) return [];
  const found = parseMatchers(text).map(matcherText);
  return found.length ? found : [text];
}

/** Events of some kinds (none: of all): pages are read until there are enough of them, or none are left. */
export async function pageOf(ask: (before: number) => Promise<HistoryPage>, kinds: readonly string[], before: number): Promise<HistoryPage> {
  const events: AlertEvent[] = [];
  let next = before;
  for (let read = 0; read < MOST_PAGES; read += 1) {
    const page = await ask(next);
    events.push(...page.events.filter((event) => !kinds.length || kinds.includes(event.kind)));
    next = page.nextBefore;
    if (!next || events.length >= ENOUGH) break;
  }
  return { events, nextBefore: next };
}
