import { expect, test } from "vitest";
import type { RouteNode } from "../api/oncall";
import { spoken } from "./fares";
import { drawn, labelsIn, onWay, times } from "./way";

function route(matchers: string, receiver: string, ...routes: RouteNode[]): RouteNode {
  return { matchers, receiver, routes, continue: false, groupBy: [], groupWaitMs: 30_000, groupIntervalMs: 300_000, repeatIntervalMs: 14_400_000, muteTimeIntervals: [], activeTimeIntervals: [], groups: 0, muted: "" };
}
const tree = route("{}", "team", route('{a="1"}', "x"), route('{a="1"}', "y", route('{b="2"}', "z")));

test("nodes are drawn depth first, each known by its place", () => {
  expect(drawn(tree).map(({ id, depth, node }) => [id, depth, node.receiver])).toEqual([["0", 0, "team"], ["0.0", 1, "x"], ["0.1", 1, "y"], ["0.1.0", 2, "z"]]);
});

test("a branch goes on below a node as long as siblings follow", () => {
  expect(drawn(tree).map(({ id, passing }) => [id, passing])).toEqual([["0", []], ["0.0", [1]], ["0.1", []], ["0.1.0", []]]);
});

test("exactly the visited nodes are on the way, also of siblings that are the same", () => {
  const { passed, ends } = onWay([{ places: [0] }, { places: [1, 0] }, { places: null }]);
  expect([...passed]).toEqual(["0", "0.0", "0.1", "0.1.0"]);
  expect([...ends]).toEqual(["0.0", "0.1.0"]);
  expect([...onWay([{ places: [] }]).ends]).toEqual(["0"]);
});

test("times in words", () => {
  expect(times(tree)).toBe("first after 30 s, changes every 5 min, again every 4 h");
});

test("the first integration of a kind needs no number", () => {
  expect(["webhook[0]", "email[1]", "slack"].map(spoken)).toEqual(["webhook", "email 2", "slack"]);
});

test("labels of lines or commas, with or without quotes", () => {
  expect(labelsIn('severity="critical", job=web\n instance=a b ')).toEqual(["severity=critical", "job=web", "instance=a b"]);
});
