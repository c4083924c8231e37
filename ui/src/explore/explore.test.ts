import { describe, expect, test } from "vitest";
import { csvOf, labelNames, rowsOf, shortened, type Answer } from "./answers";
import { costliest, rowsOf as explainRows } from "./explain";
import { asQuery, metricsOf } from "./metrics";
import { withQuery } from "./past";
import { mistakeIn, reasonOf } from "./place";
import { exploreLink, queriesOf, withQueries } from "./queries";

describe("the place of a mistake", () => {
  test.each([
    ["sum(", "invalid parameter \"query\": 1:5: parse error: unclosed left parenthesis\nsum(\n    ^", 3, 4, "the end: its last character"],
    ["foo bar", "1:5: parse error: unexpected identifier \"bar\"", 4, 7, "a word as a whole"],
    ["up +\nfoo)", "2:4: parse error: unexpected right parenthesis", 8, 9, "in the second line"],
    ["{a=\"ü\"} x", "1:10: parse error: unexpected identifier", 8, 9, "columns count bytes"],
  ])("%s", (query, error, from, to) => {
    expect(mistakeIn(query, error)).toMatchObject({ from, to });
  });
  test("an error without a place is none", () => {
    expect(mistakeIn("up", "query timed out")).toBeNull();
    expect(reasonOf("query timed out\nlater")).toBe("query timed out");
  });
});

describe("queries in the address", () => {
  test("several, one of them off, come back as they were", () => {
    const queries = [{ expr: "up", on: true }, { expr: "a+b", on: false }];
    const params = withQueries(new URLSearchParams("range=6h"), queries);
    expect(params.toString()).toBe("range=6h&expr=up&expr=a%2Bb&off=1");
    expect(queriesOf(params)).toEqual(queries);
  });
  test("an empty one is not kept", () => {
    expect(withQueries(new URLSearchParams(), [{ expr: " ", on: true }]).toString()).toBe("");
    expect(queriesOf(new URLSearchParams())).toEqual([{ expr: "", on: true }]);
  });
  test("a link holds the range", () => {
    expect(exploreLink("up", { fromMs: 1, toMs: 2, tab: "table" })).toBe("/explore?expr=up&tab=table&from=1&to=2");
  });
});

describe("tables", () => {
  const vector: Answer = {
    name: "A",
    expr: "up",
    error: "",
    tookMs: 1,
    series: [],
    instant: {
      resultType: "vector",
      result: [
        { metric: { __name__: "up", job: "a", instance: "x,1" }, value: [1, "1"] },
        { metric: { __name__: "up", job: "a", instance: "y" }, value: [1, "0"] },
      ],
    },
  };
  test("what differs stands first, what all have alike last", () => {
    expect(labelNames(rowsOf([vector]))).toEqual(["__name__", "instance", "job"]);
  });
  test("CSV quotes commas", () => {
    expect(csvOf(rowsOf([vector]))).toBe('__name__,instance,job,value\nup,"x,1",a,1\nup,y,a,0\n');
  });
});

describe("metrics", () => {
  test("a series of a histogram has its family's help", () => {
    const known = { req: [{ type: "histogram", help: "How long", unit: "" }] };
    expect(metricsOf(["req_bucket"], known)).toEqual([{ name: "req_bucket", type: "histogram", help: "How long" }]);
  });
  test.each([
    [{ name: "x_total", type: "counter", help: "" }, "rate(x_total[5m])"],
    [{ name: "x_bucket", type: "histogram", help: "" }, "histogram_quantile(0.95, sum by (le) (rate(x_bucket[5m])))"],
    [{ name: "temperature", type: "gauge", help: "" }, "temperature"],
    [{ name: "http.code", type: "", help: "" }, '{"http.code"}'],
  ])("$name is asked for as its type wants", (metric, expr) => {
    expect(asQuery(metric)).toBe(expr);
  });
});

test("a query asked again moves to the front", () => {
  expect(withQuery([{ expr: "a", atMs: 1 }, { expr: "b", atMs: 2 }], "b", 3)).toEqual([{ expr: "b", atMs: 3 }, { expr: "a", atMs: 1 }]);
});

test("the tree is drawn with rails, and the costliest node found", () => {
  const node = (text: string, ownMs: number, ...children: ReturnType<typeof explainRows>[number]["node"][]) => ({
    kind: "call", text, start: 0, end: 1, children,
    cost: { evaluations: 1, steps: 1, series: 1, samples: 1, totalMs: ownMs, ownMs },
  });
  const tree = node("a", 1, node("b", 5, node("c", 2)), node("d", 3));
  expect(explainRows(tree).map((row) => row.rails + row.node.text)).toEqual(["a", "├─ b", "│  └─ c", "└─ d"]);
  expect(costliest(tree)?.text).toBe("b");
});

test.each([
  ["14.545190087452955", "14.54519"],
  ["0.0001234567890123", "0.0001234568"],
  ["1795759200.123456", "1795759200"],
  ["1795759200", "1795759200"],
  ["0.25", "0.25"],
  ["+Inf", "+Inf"],
  ["NaN", "NaN"],
])("%s is shown as %s", (value, shown) => {
  expect(shortened(value)).toBe(shown);
});

test("a misspelt name is told with the one that was meant", () => {
  const error = "1:6: parse error: unexpected <by>\nsumm by (job) (x)\n     ^\ndid you mean sum()?";
  expect(reasonOf(error)).toBe("Line 1, column 6: unexpected <by>; did you mean sum()?");
});
