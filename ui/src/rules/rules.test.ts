import { describe, expect, test } from "vitest";
import type { ExplainedNode } from "../api/explain";
import type { RuleGroup } from "../api/types";
import { evaluationsIn, happened, replayed, spanWords, thresholdOf } from "./replay";
import { chosenRules, isCalm, recordedBy } from "./shown";

const leaf = (rule: string, text: string, kind = "call", ...children: ExplainedNode[]): ExplainedNode => {
  const start = rule.indexOf(text);
  return { kind, text, start, end: start + text.length, children };
};

describe("the threshold of a rule", () => {
  test("a comparison with a number", () => {
    const rule = "rate(x[5m]) > 0.5";
    const tree = leaf(rule, rule, "binary", leaf(rule, "rate(x[5m])"), leaf(rule, "0.5", "number"));
    expect(thresholdOf(rule, tree)).toEqual({ expr: "rate(x[5m])", op: ">", value: 0.5 });
  });
  test("below `and`, in parentheses, the number first", () => {
    const rule = "(10 > up) and other";
    const inner = leaf(rule, "10 > up", "binary", leaf(rule, "10", "number"), leaf(rule, "up"));
    const tree = leaf(rule, rule, "binary", leaf(rule, "(10 > up)", "parentheses", inner), leaf(rule, "other"));
    expect(thresholdOf(rule, tree)).toEqual({ expr: "up", op: "<", value: 10 });
  });
  test("a comparison of two vectors has none", () => {
    const rule = "a > b";
    expect(thresholdOf(rule, leaf(rule, rule, "binary", leaf(rule, "a"), leaf(rule, "b")))).toBeNull();
  });
});

const at = (metric: Record<string, string>, ...times: number[]) => ({ metric, values: times.map((time): [number, string] => [time, "1"]) });

describe("when it would have fired", () => {
  const turns = { startS: 0, endS: 60, stepS: 10, every: 1 };
  const held = { forS: 20, keepFiringForS: 0 };
  test("pending until `for` has passed, then firing", () => {
    expect(replayed([at({}, 0, 10, 20, 30)], held, turns)).toEqual([
      { state: "pending", fromS: 0, toS: 20 },
      { state: "firing", fromS: 20, toS: 40 },
    ]);
  });
  test("a gap begins anew, the graver of two series counts", () => {
    expect(replayed([at({ a: "1" }, 0, 10, 30, 40), at({ a: "2" }, 10, 20, 30)], held, turns)).toEqual([
      { state: "pending", fromS: 0, toS: 30 },
      { state: "firing", fromS: 30, toS: 40 },
      { state: "pending", fromS: 40, toS: 50 },
    ]);
  });
  test("`keep_firing_for` begins when the condition ends, and anew when it held again", () => {
    const kept = { forS: 0, keepFiringForS: 20 };
    expect(replayed([at({}, 0, 20)], kept, turns)).toEqual([{ state: "firing", fromS: 0, toS: 50 }]);
    expect(replayed([at({}, 0)], kept, turns)).toEqual([{ state: "firing", fromS: 0, toS: 30 }]);
    // What is only pending is not kept.
    expect(replayed([at({}, 0)], { forS: 20, keepFiringForS: 20 }, turns)).toEqual([{ state: "pending", fromS: 0, toS: 10 }]);
  });
  test("a rule is evaluated at its own moments; where these are too many, at some of them", () => {
    expect(evaluationsIn(100, 200, 15, 1007)).toEqual({ startS: 107, endS: 197, stepS: 15, every: 1 });
    expect(evaluationsIn(0, 864_000, 15, 5)).toMatchObject({ stepS: 90, every: 6 });
  });
  test("what happened is read from ALERTS", () => {
    const series = [at({ alertstate: "pending" }, 0, 10), at({ alertstate: "firing" }, 10, 20)];
    expect(happened(series, 10)).toEqual([
      { state: "pending", fromS: 0, toS: 10 },
      { state: "firing", fromS: 10, toS: 30 },
    ]);
  });
  test("in words", () => {
    const words = (seconds: number): string => `${seconds} s`;
    expect(spanWords([], words)).toBe("never");
    expect(spanWords(happened([at({ alertstate: "firing" }, 0, 10)], 10), words)).toBe("once, 20 s in all");
  });
});

test("rules are chosen by words and state, and groups without any left out", () => {
  const rule = (name: string, health = "ok", state?: "firing"): RuleGroup["rules"][number] => ({
    type: state ? "alerting" : "recording", name, query: "q", health, evaluationTime: 0, lastEvaluation: "", ...(state ? { state } : {}),
  });
  const groups: RuleGroup[] = [
    { name: "one", file: "f", interval: 1, evaluationTime: 0, lastEvaluation: "", rules: [rule("Slow", "ok", "firing"), rule("a:b")] },
    { name: "two", file: "f", interval: 1, evaluationTime: 0, lastEvaluation: "", rules: [rule("c:d", "err")] },
  ];
  const names = (text: string, kind: string): string[] => chosenRules(groups, text, "", kind).flatMap((group) => group.rules.map((one) => one.rule.name));
  expect(names("", "")).toEqual(["Slow", "a:b", "c:d"]);
  expect(names("two", "")).toEqual(["c:d"]);
  expect(names("", "failing")).toEqual(["c:d"]);
  expect(names("", "firing")).toEqual(["Slow"]);
  expect(groups.flatMap((group) => group.rules).filter(isCalm).map((one) => one.name)).toEqual(["a:b"]);
  expect(chosenRules(groups, "", "Slow", "")[0]?.rules[0]?.id).toBe("f;one;0");
});

test("what asks for somebody comes first, all else stays as the files have it", () => {
  const rule = (name: string, state?: "firing" | "pending" | "inactive", health = "ok"): RuleGroup["rules"][number] => ({
    type: state ? "alerting" : "recording", name, query: "q", health, evaluationTime: 0, lastEvaluation: "", ...(state ? { state } : {}),
  });
  const group = (name: string, ...rules: RuleGroup["rules"]): RuleGroup => ({ name, file: "f", interval: 1, evaluationTime: 0, lastEvaluation: "", rules });
  const shown = chosenRules(
    [
      group("records", rule("a:b"), rule("c:d")),
      group("waits", rule("Quiet", "inactive"), rule("Soon", "pending")),
      group("fails", rule("e:f"), rule("g:h", undefined, "err")),
      group("fires", rule("Low", "inactive"), rule("Soon too", "pending"), rule("Slow", "firing"), rule("Down", "firing", "err")),
      group("more records", rule("i:j")),
    ],
    "", "", "",
  );
  expect(shown.map((one) => [one.name, ...one.rules.map((each) => each.rule.name)])).toEqual([
    ["fires", "Slow", "Down", "Soon too", "Low"],
    ["fails", "g:h", "e:f"],
    ["waits", "Soon", "Quiet"],
    ["records", "a:b", "c:d"],
    ["more records", "i:j"],
  ]);
  expect(shown[0]?.rules[0]?.id).toBe("f;fires;2");
});

test("a rule's own values are those with its labels", () => {
  const series = (signal: string, min: number) => ({ labels: { __name__: "weight", signal }, count: 1, min, max: min });
  const all = [series("cpu", 5), series("disk", 25)];
  expect(recordedBy({ name: "weight", labels: { signal: "disk" } }, all)).toEqual({ count: 1, min: 25, max: 25 });
  expect(recordedBy({ name: "weight", labels: {} }, all)).toEqual({ count: 2, min: 5, max: 25 });
  expect(recordedBy({ name: "other" }, all)).toBeUndefined();
});
