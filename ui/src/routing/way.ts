// The routing tree, laid out for the eye: which nodes a tried label set passes.

import type { RouteNode, WayOut } from "../api/oncall";
import { formatSeconds } from "../lib/format";

export interface DrawnNode {
  node: RouteNode;
  depth: number;
  /** the places of the children from the root down, the node's identity */
  id: string;
  /** the depths whose branch goes on below this node */
  passing: readonly number[];
}

export function drawn(root: RouteNode): DrawnNode[] {
  const found: DrawnNode[] = [];
  const walk = (node: RouteNode, depth: number, id: string, passing: readonly number[]): void => {
    found.push({ node, depth, id, passing });
    node.routes.forEach((child, index) =>
      walk(child, depth + 1, `${id}.${index}`, index < node.routes.length - 1 ? [...passing, depth + 1] : passing),
    );
  };
  walk(root, 0, "0", []);
  return found;
}

/** The nodes that lie on a way, by identity, and those at which one ends. */
export function onWay(ways: readonly Pick<WayOut, "places">[]): { passed: Set<string>; ends: Set<string> } {
  const [passed, ends] = [new Set<string>(), new Set<string>()];
  for (const { places } of ways) {
    if (!places) continue;
    let id = "0";
    passed.add(id);
    for (const place of places) passed.add((id = `${id}.${place}`));
    ends.add(id);
  }
  return { passed, ends };
}

export function times(node: Pick<RouteNode, "groupWaitMs" | "groupIntervalMs" | "repeatIntervalMs">): string {
  const words = (ms: number): string => formatSeconds(ms / 1000);
  return `first after ${words(node.groupWaitMs)}, changes every ${words(node.groupIntervalMs)}, again every ${words(node.repeatIntervalMs)}`;
}

/** `name=value` of each line or comma; the server says what is wrong with one. */
export function labelsIn(text: string): string[] {
  return text.split(/[\n,]+/).map((one) => one.trim().replace(/^(\w+)="(.*)"$/, "$1=$2")).filter(Boolean);
}
