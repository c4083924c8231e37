// Where the search can lead: pages, signals, alert rules, targets, metrics.

import { labelValues, rules, targets } from "../api/client";
import { SIGNALS } from "../signal/signals";
import { PAGES } from "./pages";

export interface Place {
  kind: "Page" | "Signal" | "Alert rule" | "Target" | "Metric";
  name: string;
  href: string;
}

export function fixedPlaces(): Place[] {
  const pages = PAGES.filter((page) => !page.hidden).map((page) => ({ kind: "Page" as const, name: page.title, href: page.path }));
  const signals = SIGNALS.map((one) => ({ kind: "Signal" as const, name: one.title, href: `/signal/${one.name}` }));
  return [...pages, ...signals];
}

/** What only the server knows; a part that it does not answer is left out. */
export async function askedPlaces(): Promise<Place[]> {
  const parts = await Promise.allSettled([
    rules().then((groups) =>
      [...new Set(groups.flatMap((group) => group.rules.filter((rule) => rule.type === "alerting").map((rule) => rule.name)))].map(
        (name): Place => ({ kind: "Alert rule", name, href: `/rules?name=${encodeURIComponent(name)}` }),
      ),
    ),
    targets().then((all) =>
      all.map((one): Place => ({
        kind: "Target",
        name: `${one.scrapePool} ${one.labels["instance"] ?? one.scrapeUrl}`,
        href: `/targets?text=${encodeURIComponent(one.labels["instance"] ?? one.scrapeUrl)}`,
      })),
    ),
    labelValues("__name__").then((names) =>
      names.map((name): Place => ({ kind: "Metric", name, href: `/explore?expr=${encodeURIComponent(name)}` })),
    ),
  ]);
  return parts.flatMap((part) => (part.status === "fulfilled" ? part.value : []));
}

/** The places that have every word of the text, best first: a name that begins with it, then shorter names. */
export function matching(places: readonly Place[], text: string, most: number): Place[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const found: { place: Place; worth: number }[] = [];
  for (const [order, place] of places.entries()) {
    const name = place.name.toLowerCase();
    const whole = `${name} ${place.kind.toLowerCase()}`;
    if (!words.every((word) => whole.includes(word))) continue;
    const begins = words[0] !== undefined && name.startsWith(words[0]) ? 0 : 1;
    const inside = words.every((word) => name.includes(word)) ? 0 : 2;
    found.push({ place, worth: (begins + inside) * 1e6 + (words.length ? name.length * 1e3 : 0) + order / 1e3 });
  }
  return found
    .sort((a, b) => a.worth - b.worth)
    .slice(0, most)
    .map((one) => one.place);
}
