// The keyboard map: components add what they listen to, `?` shows it. `g o` is g, then o, within a second.

import { untrack } from "svelte";

export interface Key {
  /** `/`, `Escape`, or a sequence such as `g a` */
  keys: string;
  what: string;
  group: string;
  run: () => void;
}

const SEQUENCE_MS = 1000;

class Keys {
  all = $state.raw<readonly Key[]>([]);
  private before = "";
  private beforeMs = 0;

  /** Listen for some keys until the returned function is called; for `$effect(() => keys.add(…))`. */
  add(...added: Key[]): () => void {
    // The effect that adds keys must not run again because keys were added.
    this.all = [...untrack(() => this.all), ...added];
    return () => (this.all = this.all.filter((key) => !added.includes(key)));
  }

  press(event: KeyboardEvent): void {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event)) return;
    if (document.querySelector("dialog[open]")) return;
    const pair = event.timeStamp - this.beforeMs < SEQUENCE_MS ? `${this.before} ${event.key}` : "";
    // The last that was added wins: a page may overrule the shell.
    const found = this.all.findLast((key) => key.keys === pair) ?? this.all.findLast((key) => key.keys === event.key);
    [this.before, this.beforeMs] = found ? ["", 0] : [event.key, event.timeStamp];
    if (!found) return;
    event.preventDefault();
    found.run();
  }
}

function isTyping(event: KeyboardEvent): boolean {
  const at = event.target;
  if (!(at instanceof HTMLElement) || event.key === "Escape") return false;
  return at.isContentEditable || (at.matches("input, textarea, select") && !at.matches("[type=checkbox], [type=radio]"));
}

export const keys = new Keys();
