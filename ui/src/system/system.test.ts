import { expect, test } from "vitest";
import { plain } from "./errors";
import { chosenTargets, isSlow, pooled, shownTargets } from "./targets";

test.each([
  ["connection refused: 127.0.0.1:9", "Nobody listens at 127.0.0.1:9."],
  ["timeout: no complete answer within 4 s (scrape_timeout)", "It did not answer within 4 s."],
  ["server returned HTTP status 404 Not Found", "It answers, but has no metrics at this path."],
  ["server returned HTTP status 401 Unauthorized", "It wants to know who asks, and did not like the answer."],
  ["server returned HTTP status 503 Service Unavailable", "It fails by itself (503 Service Unavailable)."],
  ["cannot resolve nowhere.invalid: Name or service not known", "The name nowhere.invalid is not known here."],
  ["unsupported Content-Type 'text/html': expected text/plain", "What it answered are no metrics ('text/html')."],
  ["something else entirely", "something else entirely"],
])("%s", (error, what) => {
  expect(plain(error).what).toBe(what);
  expect(plain(error).todo).not.toBe("");
});

const target = (scrapePool: string, instance: string, health: "up" | "down") => ({
  scrapePool, health, labels: { job: scrapePool, instance }, discoveredLabels: {}, scrapeUrl: `http://${instance}/metrics`, lastError: "",
  lastScrape: "", lastScrapeDuration: 3, scrapeInterval: "5s", scrapeTimeout: "4s",
});
const all = shownTargets(
  [target("a", "x", "up"), target("b", "y", "up"), target("b", "z", "down")],
  [{ metric: { __name__: "scrape_samples_scraped", instance: "z", job: "b" }, value: [0, "7"] }],
);

test("samples are found by the target's labels", () => {
  expect(all.map((one) => one.samples)).toEqual([null, null, 7]);
});

test("what is down stands first", () => {
  expect(pooled(all).map((pool) => [pool.name, pool.up, pool.targets[0]?.health])).toEqual([["b", 1, "down"], ["a", 1, "up"]]);
});

test("words and state choose", () => {
  expect(chosenTargets(all, "job=b", "up").map((one) => one.labels.instance)).toEqual(["y"]);
});

test("a scrape near its timeout is slow", () => {
  expect(isSlow(target("a", "x", "up"))).toBe(true);
});
