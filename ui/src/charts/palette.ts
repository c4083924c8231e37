// Line colours: apart for colour-blind people, readable on both themes, and none of them a state's colour.

import type { Theme } from "../lib/theme.svelte";

const LINES: Record<Theme, readonly string[]> = {
  dark: ["#a3adff", "#4fd1d9", "#f0a3d4", "#d9c48a", "#6cb6ff", "#9fd8a4", "#c79bff", "#b4bec9"],
  light: ["#4248cc", "#0a7d88", "#b0327f", "#7d6100", "#0b62c4", "#2f7a3d", "#8a3fb0", "#5a6672"],
};
/** From the quietest to the loudest, for lines that are one thing in degrees: percentiles. */
const DEGREES: Record<Theme, readonly string[]> = {
  dark: ["#4f5a8c", "#6f7cc0", "#a3adff", "#e3e6ff"],
  light: ["#b3b8ea", "#7f86dc", "#4248cc", "#1d2163"],
};

export function lineColor(theme: Theme, index: number, isDegrees = false): string {
  const colors = isDegrees ? DEGREES[theme] : LINES[theme];
  return colors[index % colors.length] ?? "#888888";
}

export interface Ink {
  text: string;
  grid: string;
  warning: string;
  critical: string;
  info: string;
  card: string;
  ink: string;
  accent: string;
  /** px of 1 rem */
  rem: number;
  /** what is 1 px on a desk, and more on a wall */
  px: number;
  font: string;
}

let known: { key: string; ink: Ink } | null = null;

/** The colours of tokens.css for a canvas; read once a theme and size, since reading them costs layout. */
export function ink(theme: Theme): Ink {
  const key = `${theme} ${innerWidth}`;
  if (known?.key === key) return known.ink;
  const style = getComputedStyle(document.documentElement);
  const read = (name: string): string => style.getPropertyValue(name).trim();
  const rem = parseFloat(style.fontSize);
  known = {
    key,
    ink: {
      text: read("--faint"),
      grid: read("--line"),
      warning: read("--warning"),
      critical: read("--critical"),
      info: read("--info"),
      card: read("--card"),
      ink: read("--ink"),
      accent: read("--accent"),
      rem,
      px: rem / 16,
      font: `${0.7 * rem}px ${read("--font")}`,
    },
  };
  return known.ink;
}
