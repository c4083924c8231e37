// The ways to look at what queries give.

export const TABS = ["graph", "table", "heat", "explain"] as const;
export type Tab = (typeof TABS)[number];

export const TAB_TITLES: Readonly<Record<Tab, string>> = {
  graph: "Graph",
  table: "Table",
  heat: "Heat map",
  explain: "Explain",
};

export function tabOf(params: URLSearchParams): Tab {
  return TABS.find((tab) => tab === params.get("tab")) ?? "graph";
}
