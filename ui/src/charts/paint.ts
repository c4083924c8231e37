// Charts are drawn one after another, a few a frame, so that twenty of them never hold up the page.

// The browser rasterises what was drawn after these callbacks, which takes several times as long and cannot be seen here.
const BUDGET_MS = 2;
const waiting = new Map<object, () => void>();
let asked = false;

/** Draw soon. Whoever asks again before that is drawn once, with what was asked last. */
export function paint(owner: object, draw: () => void): void {
  waiting.set(owner, draw);
  if (!asked) {
    asked = true;
    requestAnimationFrame(run);
  }
}

/** Forget what an owner has asked for. */
export function unpaint(owner: object): void {
  waiting.delete(owner);
}

function run(): void {
  const end = performance.now() + BUDGET_MS;
  for (const [owner, draw] of waiting) {
    waiting.delete(owner);
    draw();
    if (performance.now() > end) break;
  }
  asked = waiting.size > 0;
  if (asked) requestAnimationFrame(run);
}
