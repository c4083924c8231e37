import { afterEach, expect, test, vi } from "vitest";
import { LineStore, legendOf, seriesText, type Lines } from "./lines";
import { windowOf } from "./window";

const NOW = 1_700_000_000;
const signal = new AbortController().signal;

/** A server whose every series counts the seconds; remembers from where to where it was asked. */
function server(names: readonly string[] = ["a"]): { asked: [number, number][] } {
  const asked: [number, number][] = [];
  vi.stubGlobal("fetch", (url: string) => {
    const params = new URL(url, "http://backbeat").searchParams;
    const [start, end, step] = ["start", "end", "step"].map((name) => Number(params.get(name))) as [number, number, number];
    asked.push([start, end]);
    const values: [number, string][] = [];
    for (let time = start; time <= end; time += step) values.push([time, String(time)]);
    const result = names.map((name) => ({ metric: { name }, values }));
    return Promise.resolve(new Response(JSON.stringify({ status: "success", data: { resultType: "matrix", result } })));
  });
  return { asked };
}
afterEach(() => vi.unstubAllGlobals());

const store = (range = "15m", most = 20): LineStore =>
  new LineStore([{ expr: "x", legend: "{{name}}", most }], windowOf(new URLSearchParams({ range })));
const live = (timeS: number) => [{ series: [[{ name: "a" }, String(timeS)]] as [Record<string, string>, string][] }];
const column = (lines: Lines | null): (number | null)[] => lines?.lines[0]?.values ?? [];

test("a refresh asks only for the steps that are new", async () => {
  const { asked } = server();
  const lines = store();
  const first = await lines.load(NOW, signal);
  expect(first.times).toHaveLength(181);
  expect(await lines.refresh(NOW + 3, signal)).toBeNull();
  const later = await lines.refresh(NOW + 12, signal);
  expect(asked.at(-1)).toEqual([NOW + 5, NOW + 10]);
  expect(later?.times.at(-1)).toBe(NOW + 10);
  expect(column(later)).toEqual(later?.times);
});

test("the stream adds a step and forgets the oldest", async () => {
  server();
  const lines = store();
  const before = await lines.load(NOW, signal);
  const after = lines.hear(NOW + 5, live(NOW + 5));
  expect(after?.times).toHaveLength(before.times.length);
  expect(column(after).at(-1)).toBe(NOW + 5);
});

test("between two steps of a long window the newest value passes, and is replaced", async () => {
  server();
  const lines = store("12h");
  await lines.load(NOW, signal);
  const count = (await lines.refresh(NOW + 120, signal))?.times.length ?? 0;
  const step = Math.floor((NOW + 120) / 120) * 120;
  expect(lines.hear(step + 15, live(step + 15))?.times).toHaveLength(count + 1);
  const second = lines.hear(step + 30, live(step + 30));
  expect(second?.times).toHaveLength(count + 1);
  expect(second?.times.slice(-2)).toEqual([step, step + 30]);
  expect(lines.hear(step + 120, live(step + 120))?.times.slice(-2)).toEqual([step, step + 120]);
});

test("a gap in the stream is not papered over: it is asked for", async () => {
  const { asked } = server();
  const lines = store();
  await lines.load(NOW, signal);
  expect(lines.hear(NOW + 60, live(NOW + 60))).toBeNull();
  expect((await lines.refresh(NOW + 60, signal))?.times.at(-1)).toBe(NOW + 60);
  expect(asked.at(-1)).toEqual([NOW + 5, NOW + 60]);
});

test("a series that is new in the stream has no past; one that is gone has no present", async () => {
  server();
  const lines = store();
  await lines.load(NOW, signal);
  const after = lines.hear(NOW + 5, [{ series: [[{ name: "b" }, "7"]] }]);
  const [a, b] = after?.lines ?? [];
  expect(a?.values.at(-1)).toBeNull();
  expect(b?.values.slice(-2)).toEqual([null, 7]);
});

test("of many lines those that are largest now are shown", async () => {
  server(["a", "b", "c"]);
  const lines = store("15m", 1);
  await lines.load(NOW, signal);
  const after = lines.hear(NOW + 5, [{ series: [[{ name: "b" }, String(NOW * 2)]] }]);
  expect(after?.lines.map((line) => line.name)).toEqual(["b"]);
});

test.each([
  ["{{name}}", { name: "cpu0" }, "cpu0"],
  ["{{missing}}", { __name__: "up", job: "api" }, 'up{job="api"}'],
  ["", {}, "value"],
])("the legend %s of %o", (legend, metric, text) => {
  expect(legendOf(legend, metric as Record<string, string>)).toBe(text);
});

test("a label value is quoted as PromQL wants it", () => {
  expect(seriesText({ __name__: "x", path: 'a"b\\' })).toBe('x{path="a\\"b\\\\"}');
});
