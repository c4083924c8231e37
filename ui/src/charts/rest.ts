// What need not follow each movement of the cursor, such as the numbers of charts that it is not over, follows when it rests.

import { flushSync } from "svelte";
import { paint, unpaint } from "./paint";

const RESTS_MS = 60;
const waiting = new Map<object, () => void>();
let timer = 0;

/** Act once nobody has asked for a moment. Whoever asks again before that acts once, as asked last. */
export function whenRested(owner: object, act: () => void): void {
  waiting.set(owner, act);
  clearTimeout(timer);
  timer = setTimeout(run, RESTS_MS);
}

export function forget(owner: object): void {
  waiting.delete(owner);
  unpaint(owner);
}

/** A few milliseconds a frame, as charts are drawn. */
function run(): void {
  for (const [owner, act] of waiting) paint(owner, () => flushSync(act));
  waiting.clear();
}
