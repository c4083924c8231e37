// The tree of a query as rows, each with the rails that lead to it.

import type { ExplainedNode } from "../api/explain";

export interface ExplainRow {
  node: ExplainedNode;
  depth: number;
  /** `│  ├─ `, as a terminal draws trees */
  rails: string;
}

export function rowsOf(tree: ExplainedNode): ExplainRow[] {
  const rows: ExplainRow[] = [];
  const walk = (node: ExplainedNode, depth: number, before: string, joint: string, after: string): void => {
    rows.push({ node, depth, rails: before + joint });
    node.children.forEach((child, index) => {
      const last = index === node.children.length - 1;
      walk(child, depth + 1, before + after, last ? "└─ " : "├─ ", last ? "   " : "│  ");
    });
  };
  walk(tree, 0, "", "", "");
  return rows;
}

/** The node that takes most of the time itself; null where there is but one. */
export function costliest(tree: ExplainedNode): ExplainedNode | null {
  if (!tree.children.length) return null;
  const nodes = rowsOf(tree).map((row) => row.node);
  return nodes.reduce((most, node) => ((node.cost?.ownMs ?? 0) > (most.cost?.ownMs ?? 0) ? node : most));
}
