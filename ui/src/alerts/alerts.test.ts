import { describe, expect, test } from "vitest";
import type { RoutedGroup } from "../api/oncall";
import type { RuleGroup } from "../api/types";
import { lineOf } from "./alerts";
import { fingerprint } from "./fingerprint";
import { accepts, groupedBy, isIn, joined, quietOf } from "./joined";
import { matcherText, parseMatchers } from "./matchers";

const slow = { alertname: "Slow", job: "web", severity: "critical" };
const late = { alertname: "Late", job: "web", severity: "warning" };

function rule(labels: Record<string, string>, state: "firing" | "pending"): RuleGroup["rules"][number] {
  const alert = { state, labels, annotations: { summary: "It hurts" }, activeAt: "2026-01-01T00:00:00Z", value: "2" };
  return { type: "alerting", name: labels["alertname"] ?? "", query: "x > 1", health: "ok", evaluationTime: 0, lastEvaluation: "", alerts: [alert] };
}
const rules: RuleGroup[] = [
  { name: "g", file: "f", interval: 15, evaluationTime: 0, lastEvaluation: "", rules: [rule(late, "pending"), rule(slow, "firing")] },
];
function routed(labels: Record<string, string>, receiver: string, mutedBy: string[] = [], inhibitedBy: string[] = []): RoutedGroup {
  const alert = { fingerprint: fingerprint(labels), labels, annotations: {}, startsAt: "2026-01-01T00:00:00Z" };
  const status = { state: "active", silencedBy: [], inhibitedBy, mutedBy };
  return { receiver: { name: receiver }, alerts: [{ ...alert, status }] };
}

test.each([
  ["the number, where the description is a line", "Slow", "A query takes 1.4s (critical above 1s).", "A query takes 1.4s (critical above 1s)."],
  ["the summary of a long description", "Slow", "why ".repeat(40), "Slow"],
  ["the summary of several lines", "Slow", "one\ntwo", "Slow"],
  ["the summary alone", "Slow", "", "Slow"],
  ["a long description alone", "", "why ".repeat(40), "why ".repeat(40)],
])("beside the name stands %s", (_, summary, description, line) => {
  expect(lineOf({ summary, description })).toBe(line);
});

test("a fingerprint is Alertmanager's", () => {
  expect(fingerprint({ alertname: "VeryHighDatabaseQueryTime", job: "normaldance", severity: "critical", signal: "database" })).toBe("0feaf35de30e6b58");
});

describe("rules and routing joined", () => {
  test("a firing alert has its receivers, a pending one none, a foreign one its own row", () => {
    const all = joined(rules, [routed(slow, "pager"), routed(slow, "chat"), routed({ alertname: "Foreign" }, "chat")], []);
    expect(all.map((one) => [one.name, one.state, one.receivers])).toEqual([
      ["Slow", "firing", ["pager", "chat"]],
      ["Foreign", "firing", ["chat"]],
      ["Late", "pending", []],
    ]);
  });
  test("labels that relabelling added do not make two of one", () => {
    const all = joined(rules, [routed({ ...slow, region: "eu" }, "pager")], []);
    expect(all.map((one) => one.name)).toEqual(["Slow", "Late"]);
    expect(all[0]?.fingerprint).toBe(fingerprint({ ...slow, region: "eu" }));
  });
  test("muted is what no group tells anybody of", () => {
    expect(quietOf(joined(rules, [routed(slow, "a", ["night"])], [])[0]!)).toBe("muted");
    expect(quietOf(joined(rules, [routed(slow, "a", ["night"]), routed(slow, "b")], [])[0]!)).toBeNull();
  });
  test("one that somebody looks after is no longer among the firing", () => {
    const own = { fingerprint: fingerprint(slow), labels: slow, createdBy: "ann", comment: "", at: "" };
    const [first] = joined(rules, [routed(slow, "pager")], [own]);
    expect([isIn(first!, "firing"), isIn(first!, "acknowledged")]).toEqual([false, true]);
  });
});

test.each([
  ["slow", true],
  ["web hurts", true],
  ["job=web", true],
  ["job=we", false],
  ["nothing", false],
])("the filter %s", (text, expected) => {
  expect(accepts(joined(rules, [], [])[0]!, text)).toBe(expected);
});

test("groups come in the order of their gravest alert", () => {
  expect(groupedBy(joined(rules, [], []), "severity").map((one) => one.title)).toEqual(["critical", "warning"]);
});

test("matchers come back as they were written", () => {
  const text = '{alertname="Slow", path=~"/a\\"b.*", job!="x"}';
  expect(parseMatchers(text).map(matcherText)).toEqual(['alertname="Slow"', 'path=~"/a\\"b.*"', 'job!="x"']);
});
