// A finger that moves sideways over a chart zooms, as a mouse that drags does; up and down it scrolls the page
// (`touch-action: pan-y`), and a tap moves the cursor, which browsers do by themselves.

const SIDEWAYS_PX = 10;

export function zoomByFinger(over: HTMLElement): void {
  let start: PointerEvent | null = null;
  let drags = false;

  // uPlot takes a drag without movement for a stray one.
  const say = (kind: string, { clientX, clientY }: PointerEvent): boolean =>
    over.dispatchEvent(new MouseEvent(kind, { clientX, clientY, movementX: 1, button: 0, bubbles: true }));

  over.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "touch" && event.isPrimary) [start, drags] = [event, false];
  });
  over.addEventListener("pointermove", (event) => {
    if (!start || event.pointerId !== start.pointerId) return;
    if (!drags && Math.abs(event.clientX - start.clientX) > SIDEWAYS_PX) drags = say("mousedown", start);
    if (drags) say("mousemove", event);
  });
  over.addEventListener("pointerup", (event) => {
    if (drags) say("mouseup", event);
    start = null;
    drags = false;
  });
  // The browser scrolls after all: a drag that ends where it began chooses nothing.
  over.addEventListener("pointercancel", () => {
    if (start && drags) {
      say("mousemove", start);
      say("mouseup", start);
    }
    start = null;
    drags = false;
  });
}
