import { expect, test } from "vitest";
import { sorted, type Column } from "./table";

interface Row {
  name: string;
  took: number;
}
const columns: Column<Row>[] = [
  { title: "Name", value: (row) => row.name },
  { title: "Took", value: (row) => row.took },
  { title: "Note" },
];
const rows = [
  { name: "b10", took: 3 },
  { name: "b9", took: NaN },
  { name: "a", took: 1 },
];
const names = (by: string, down: boolean): string[] => sorted(rows, columns, { by, down }).map((row) => row.name);

test.each([
  ["Name", false, ["a", "b9", "b10"], "numbers inside of names count as numbers"],
  ["Took", false, ["b9", "a", "b10"], "what is no number is the least"],
  ["Took", true, ["b10", "a", "b9"], "and the last where the largest are first"],
  ["Note", false, ["b10", "b9", "a"], "a column without values keeps the order"],
] as [string, boolean, string[], string][])("sorted by %s, down %s: %s", (by, down, order, _) => {
  expect(names(by, down)).toEqual(order);
});
