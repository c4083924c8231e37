// Line colours that colour-blind people can tell apart (after Okabe and Ito), for both themes.

import type { Theme } from "../lib/theme.svelte";

const LINES: Record<Theme, readonly string[]> = {
  dark: ["#6cb6ff", "#f2a65a", "#5fd0a5", "#d49bf0", "#f2d75f", "#7fd4e8", "#f08a9b", "#b4bec9"],
  light: ["#0b62c4", "#c25e00", "#0f7f5c", "#8a3fb0", "#8c6d00", "#0c7891", "#b8314c", "#5a6672"],
};

export function lineColor(theme: Theme, index: number): string {
  const colors = LINES[theme];
  return colors[index % colors.length] ?? "#888888";
}

export interface Ink {
  text: string;
  grid: string;
  warning: string;
  critical: string;
}

export function ink(): Ink {
  const style = getComputedStyle(document.documentElement);
  const read = (name: string): string => style.getPropertyValue(name).trim();
  return { text: read("--soft"), grid: read("--line"), warning: read("--warning"), critical: read("--critical") };
}
