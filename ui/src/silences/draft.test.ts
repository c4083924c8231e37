import { expect, test } from "vitest";
import { asAsked, daysOf, draftOf, endsSoon, missingIn, newDraft, scheduleWords } from "./draft";

const NOW = Date.parse("2026-11-26T12:00:00Z");
const matcher = { name: "job", value: "web", isRegex: false, isEqual: true };
const filled = { ...newDraft([matcher], "UTC", NOW, true), reason: " deploy " };

test("what is sent of a draft", () => {
  expect(asAsked(filled, "ann ", true)).toEqual({ matchers: ['job="web"'], duration: "2h", createdBy: "ann", comment: "deploy" });
  expect(asAsked({ ...filled, hours: null, until: "2026-11-27T08:00" }, "ann", true)).toMatchObject({ endsAt: "2026-11-27T08:00:00.000Z" });
});

test("one that recurs has its days in the order of the week, and an end", () => {
  const asked = asAsked({ ...filled, recurs: true, weekdays: ["sunday", "monday"], until: "2027-01-01T00:00" }, "ann", true);
  expect(asked.schedule).toEqual([{ weekdays: ["monday", "sunday"], times: [{ start_time: "22:00", end_time: "24:00" }], location: "UTC" }]);
  expect(asked.endsAt).toBe("2027-01-01T00:00:00.000Z");
});

test.each([
  [{ matchers: [] }, "ann", "Name at least one label."],
  [{ reason: " " }, "ann", "Say why, for those who wonder."],
  [{}, " ", "Say who you are."],
  [{ hours: null, until: "2026-11-26T11:00" }, "ann", "The end must lie ahead."],
  [{ recurs: true, from: "23:00", to: "22:00" }, "ann", "On a day, the beginning must be before the end; 24:00 is the end of the day."],
  [{}, "ann", ""],
])("what is missing in %o by %o", (change, person, words) => {
  expect(missingIn({ ...filled, ...change }, person, NOW, true)).toBe(words);
});

test("an ended silence is made anew, a current one is changed", () => {
  const silence = { id: "x", matchers: ['job=~"a.*"'], startsAt: "2026-11-26T10:00:00Z", endsAt: "2026-11-26T14:00:00Z", updatedAt: "", createdBy: "", comment: "why", schedule: [] };
  expect(draftOf({ ...silence, state: "expired" }, "UTC", NOW, true)).toMatchObject({ id: "", hours: 2, reason: "why" });
  expect(draftOf({ ...silence, state: "active" }, "UTC", NOW, true)).toMatchObject({ id: "x", hours: null, until: "2026-11-26T14:00" });
});

test("days of a range", () => {
  expect(daysOf("friday:sunday")).toEqual(["friday", "saturday", "sunday"]);
  expect(daysOf("monday")).toEqual(["monday"]);
  expect(daysOf("sunday:monday")).toEqual(["sunday", "monday"]);
});

test("a schedule in words", () => {
  expect(scheduleWords([{ weekdays: ["saturday:sunday"], times: [{ start_time: "22:00", end_time: "24:00" }], location: "UTC" }])).toBe("sat, sun 22:00–24:00 (UTC)");
});

test.each([
  ["2026-11-26T12:10:00Z", true],
  ["2026-11-26T14:00:00Z", false],
])("a silence of hours that ends at %s", (endsAt, expected) => {
  expect(endsSoon({ state: "active", startsAt: "2026-11-26T08:00:00Z", endsAt }, NOW)).toBe(expected);
});
