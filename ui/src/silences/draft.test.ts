import { expect, test } from "vitest";
import { asAsked, dailyOf, daysOf, draftOf, endsSoon, missingIn, newDraft, scheduleWords } from "./draft";

const NOW = Date.parse("2026-11-26T12:00:00Z");
const matcher = { name: "job", value: "web", isRegex: false, isEqual: true };
const filled = { ...newDraft([matcher], "UTC", NOW, true), reason: " deploy " };

test("what is sent of a draft", () => {
  expect(asAsked(filled, "ann ", true)).toEqual({ matchers: ['job="web"'], duration: "2h", createdBy: "ann", comment: "deploy" });
  expect(asAsked({ ...filled, hours: null, until: "2026-11-27T08:00" }, "ann", true)).toMatchObject({ endsAt: "2026-11-27T08:00:00.000Z" });
});

test("one that recurs has its days in the order of the week, and an end", () => {
  const asked = asAsked({ ...filled, recurs: true, weekdays: ["sunday", "monday"], spans: [{ from: "12:00", to: "13:00" }], until: "2027-01-01T00:00" }, "ann", true);
  expect(asked.schedule).toEqual([{ weekdays: ["monday", "sunday"], times: [{ start_time: "12:00", end_time: "13:00" }], location: "UTC" }]);
  expect(asked.endsAt).toBe("2027-01-01T00:00:00.000Z");
});

test.each([
  [{ matchers: [] }, "ann", "Name at least one label."],
  [{ reason: " " }, "ann", "Say why, for those who wonder."],
  [{}, " ", "Say who you are."],
  [{ hours: null, until: "2026-11-26T11:00" }, "ann", "The end must lie ahead."],
  [{ recurs: true, until: "2026-12-26T11:00", spans: [{ from: "22:00", to: "6" }] }, "ann", "Write times of the day as 22:00; 24:00 is the end of the day."],
  [{ recurs: true, until: "2026-12-26T11:00", spans: [{ from: "22:00", to: "22:00" }] }, "ann", "A span begins and ends at the same time; the whole day is 00:00 to 24:00."],
  [{ recurs: true, until: "2026-12-26T11:00", weekdays: [] }, "ann", "Choose at least one day."],
  [{}, "ann", ""],
])("what is missing in %o by %o", (change, person, words) => {
  expect(missingIn({ ...filled, ...change }, person, NOW, true)).toBe(words);
});

test("an ended silence is made anew, a current one is changed", () => {
  const silence = { id: "x", matchers: ['job=~"a.*"'], startsAt: "2026-11-26T10:00:00Z", endsAt: "2026-11-26T14:00:00Z", updatedAt: "", createdBy: "", comment: "why", schedule: [] };
  expect(draftOf({ ...silence, state: "expired" }, "UTC", NOW, true)).toMatchObject({ id: "", hours: 2, reason: "why" });
  expect(draftOf({ ...silence, state: "active" }, "UTC", NOW, true)).toMatchObject({ id: "x", hours: null, until: "2026-11-26T14:00" });
});

test("several spans a day, and one past midnight, whose rest belongs to the next day; read again as it was filled in", () => {
  const spans = [{ from: "12:00", to: "13:00" }, { from: "22:00", to: "06:00" }, { from: "20:00", to: "00:00" }];
  const { schedule = [] } = asAsked({ ...filled, recurs: true, weekdays: ["sunday", "friday"], spans, until: "2027-01-01T00:00" }, "ann", true);
  expect(schedule).toEqual([
    {
      weekdays: ["friday", "sunday"],
      times: [
        { start_time: "12:00", end_time: "13:00" },
        { start_time: "22:00", end_time: "24:00" },
        { start_time: "20:00", end_time: "24:00" },
      ],
      location: "UTC",
    },
    { weekdays: ["monday", "saturday"], times: [{ start_time: "00:00", end_time: "06:00" }], location: "UTC" },
  ]);
  expect(dailyOf(schedule)).toEqual({ weekdays: ["friday", "sunday"], spans: [spans[0], spans[1], { from: "20:00", to: "24:00" }], location: "UTC" });
  expect(scheduleWords(schedule)).toBe("fri, sun 12:00–13:00, 22:00–06:00, 20:00–24:00 (UTC)");
});

test("a schedule that the form has no fields for is kept as it is", () => {
  const schedule = [{ weekdays: ["monday"], times: [{ start_time: "01:00", end_time: "02:00" }] }, { weekdays: ["friday"], times: [{ start_time: "03:00", end_time: "04:00" }] }];
  const silence = { id: "x", matchers: ['a="b"'], startsAt: "2026-11-26T10:00:00Z", endsAt: "2026-12-26T14:00:00Z", updatedAt: "", createdBy: "", comment: "why", state: "active" as const, schedule };
  const draft = draftOf(silence, "UTC", NOW, true);
  expect(draft).toMatchObject({ recurs: true, kept: schedule });
  expect(missingIn(draft, "ann", NOW, true)).toBe("");
  expect(asAsked(draft, "ann", true).schedule).toEqual(schedule);
  expect(scheduleWords(schedule)).toBe("mon 01:00–02:00; fri 03:00–04:00");
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
