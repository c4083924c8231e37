// Every page: where it is, what it is called, how one gets there. A page's code is fetched when it is first opened.

import type { Component } from "svelte";
import OverviewPage from "../overview/OverviewPage.svelte";

export interface PageEntry {
  path: string;
  title: string;
  group: "" | "Alerting" | "System";
  /** the second key after `g` */
  key: string;
  icon: keyof typeof ICONS;
  load: () => Promise<{ default: Component }>;
  /** not in the navigation: the page of one thing */
  hidden?: boolean;
}

/** Drawn on 16 by 16, stroked. */
export const ICONS = {
  pulse: "M1 9h3l2-5 3 9 2-6 1 2h3",
  bell: "M4 11V7a4 4 0 0 1 8 0v4l1.2 1.5H2.8zM6.6 14.2h2.8",
  list: "M5.5 4H14M5.5 8H14M5.5 12H14M2 4h.5M2 8h.5M2 12h.5",
  clock: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 4.8V8l2.4 1.6",
  mute: "M4 11V7a4 4 0 0 1 6.8-2.8M12 7v4l1.2 1.5H5M2 2l12 12",
  route: "M3 3v4a2 2 0 0 0 2 2h6a2 2 0 0 1 2 2v2M3 9v4M11 11.2l2 2 2-2",
  search: "M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10zM10.6 10.6 14 14",
  find: "M2.5 4.5h11M2.5 8h6M2.5 11.5h5M11 13a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM13 12.6l1.5 1.6",
  target: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 10.4a2.4 2.4 0 1 0 0-4.8 2.4 2.4 0 0 0 0 4.8z",
  server: "M2.5 3h11v4h-11zM2.5 9h11v4h-11zM5 5h.5M5 11h.5",
} as const;

export const PAGES: readonly PageEntry[] = [
  { path: "/", title: "Overview", group: "", key: "o", icon: "pulse", load: async () => ({ default: OverviewPage }) },
  { path: "/explore", title: "Explore", group: "", key: "e", icon: "search", load: () => import("../explore/ExplorePage.svelte") },
  { path: "/alerts", title: "Alerts", group: "Alerting", key: "a", icon: "bell", load: () => import("../alerts/AlertsPage.svelte") },
  { path: "/history", title: "History", group: "Alerting", key: "h", icon: "clock", load: () => import("../history/HistoryPage.svelte") },
  { path: "/silences", title: "Silences", group: "Alerting", key: "i", icon: "mute", load: () => import("../silences/SilencesPage.svelte") },
  { path: "/routing", title: "Routing", group: "Alerting", key: "w", icon: "route", load: () => import("../routing/RoutingPage.svelte") },
  { path: "/rules", title: "Rules", group: "Alerting", key: "r", icon: "list", load: () => import("../rules/RulesPage.svelte") },
  { path: "/targets", title: "Targets", group: "System", key: "t", icon: "target", load: () => import("../system/TargetsPage.svelte") },
  { path: "/status", title: "Status", group: "System", key: "s", icon: "server", load: () => import("../system/StatusPage.svelte") },
  { path: "/signal", title: "Signal", group: "", key: "", icon: "pulse", hidden: true, load: () => import("../signal/SignalPage.svelte") },
];

/** The page of a path: its own, or the one whose path it lies under. */
export function pageAt(path: string): PageEntry | undefined {
  const under = (page: PageEntry): boolean => page.path !== "/" && path.startsWith(`${page.path}/`);
  return PAGES.find((page) => page.path === path) ?? PAGES.find(under);
}
