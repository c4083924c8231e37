// What is drawn with the lines: thresholds and the bands beyond them, times in which an alert fired, deployments.

import type uPlot from "uplot";
import type { Ink } from "./palette";

export interface Threshold {
  value: number;
  severity: "warning" | "critical";
}

export interface Period {
  fromS: number;
  toS: number;
  severity: string;
  name: string;
}

export interface Moment {
  atS: number;
  name: string;
}

export interface Marks {
  thresholds: readonly Threshold[];
  lowIsBad: boolean;
  periods: readonly Period[];
  moments: readonly Moment[];
}

/** The range of y: from zero, with the thresholds that the data comes near; else they would flatten every healthy line. */
export function scaleOf(
  low: number | null,
  high: number | null,
  thresholds: readonly Threshold[],
  bounds: "score" | "share" | "free",
): [number, number] {
  if (bounds === "score") return [0, 100];
  const top = Math.max(high ?? 0, 0);
  const near = thresholds.map((one) => one.value).filter((value) => value <= top * 2.5);
  const min = Math.min(low ?? 0, 0);
  const max = Math.max(top, ...near);
  if (bounds === "share" && max > 0.5) return [min, Math.max(1, max)];
  return [min, max === min ? min + (bounds === "share" ? 0.1 : 1) : max + (max - min) * 0.08];
}

const TINT = "20";

export function drawUnder(plot: uPlot, marks: Marks, colors: Ink): void {
  const { ctx, bbox } = plot;
  const right = bbox.left + bbox.width;
  const pixel = devicePixelRatio * colors.px;
  const color = (severity: string): string => (severity === "critical" ? colors.critical : severity === "info" ? colors.info : colors.warning);
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  for (const period of marks.periods) {
    const [from, to] = [plot.valToPos(period.fromS, "x", true), plot.valToPos(period.toS, "x", true)];
    if (to < bbox.left || from > right) continue;
    ctx.fillStyle = color(period.severity) + TINT;
    ctx.fillRect(from, bbox.top, Math.max(to - from, pixel), bbox.height);
    // Along the foot as well, where a tint alone is too faint to be seen.
    ctx.fillStyle = color(period.severity);
    ctx.fillRect(from, bbox.top + bbox.height - 3 * pixel, Math.max(to - from, pixel), 3 * pixel);
  }
  drawBands(plot, marks, color);
  ctx.restore();
}

function drawBands(plot: uPlot, marks: Marks, color: (severity: string) => string): void {
  const { ctx, bbox } = plot;
  const at = (value: number): number => plot.valToPos(value, "y", true);
  const sorted = [...marks.thresholds].sort((a, b) => (marks.lowIsBad ? b.value - a.value : a.value - b.value));
  sorted.forEach(({ value, severity }, index) => {
    const next = sorted[index + 1];
    const far = next ? at(next.value) : marks.lowIsBad ? bbox.top + bbox.height : bbox.top;
    const near = at(value);
    if (marks.lowIsBad ? near > bbox.top + bbox.height : near < bbox.top) return;
    ctx.fillStyle = color(severity) + "12";
    ctx.fillRect(bbox.left, Math.min(near, far), bbox.width, Math.abs(far - near));
  });
}

/** A text that stays readable over lines. */
function haloed(ctx: CanvasRenderingContext2D, text: string, x: number, y: number, paper: string): void {
  ctx.save();
  ctx.setLineDash([]);
  ctx.lineJoin = "round";
  ctx.lineWidth = 4 * devicePixelRatio;
  ctx.strokeStyle = paper;
  ctx.strokeText(text, x, y);
  ctx.restore();
  ctx.fillText(text, x, y);
}

export function drawOver(plot: uPlot, marks: Marks, colors: Ink, text: (value: number) => string): void {
  const { ctx, bbox } = plot;
  const pixel = devicePixelRatio * colors.px;
  ctx.save();
  ctx.font = colors.font.replace(/^[\d.]+px/, (size) => `${parseFloat(size) * devicePixelRatio}px`);
  ctx.textAlign = "right";
  ctx.textBaseline = "bottom";
  ctx.lineWidth = pixel;
  for (const { value, severity } of marks.thresholds) {
    const y = Math.round(plot.valToPos(value, "y", true)) + 0.5;
    if (y < bbox.top || y > bbox.top + bbox.height) continue;
    ctx.strokeStyle = ctx.fillStyle = colors[severity];
    ctx.setLineDash([5 * pixel, 4 * pixel]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    if (y > bbox.top + colors.rem * devicePixelRatio) haloed(ctx, `${severity} ${text(value)}`, bbox.left + bbox.width, y - 2 * pixel, colors.card);
  }
  ctx.setLineDash([2 * pixel, 2 * pixel]);
  ctx.strokeStyle = ctx.fillStyle = colors.accent;
  for (const { atS } of marks.moments) {
    const x = Math.round(plot.valToPos(atS, "x", true)) + 0.5;
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.beginPath();
    ctx.moveTo(x - 4 * pixel, bbox.top);
    ctx.lineTo(x + 4 * pixel, bbox.top);
    ctx.lineTo(x, bbox.top + 6 * pixel);
    ctx.fill();
  }
  ctx.restore();
}
