// The columns of a table and their order.

export interface Column<Row> {
  title: string;
  number?: boolean;
  /** what to sort by; a column without it does not sort */
  value?: (row: Row) => string | number;
}

export interface Order {
  by: string;
  down: boolean;
}

/** The rows in an order; rows that are equal keep theirs. */
export function sorted<Row>(rows: readonly Row[], columns: readonly Column<Row>[], order?: Order): readonly Row[] {
  const value = columns.find((column) => column.title === order?.by)?.value;
  if (!value || !order) return rows;
  const sign = order.down ? -1 : 1;
  return [...rows].sort((a, b) => sign * compare(value(a), value(b)));
}

function compare(a: string | number, b: string | number): number {
  if (typeof a === "number" && typeof b === "number") {
    // What is not a number stands last in either direction's worst place, never in between.
    if (Number.isNaN(a)) return Number.isNaN(b) ? 0 : -1;
    return Number.isNaN(b) ? 1 : a - b;
  }
  return String(a).localeCompare(String(b), undefined, { numeric: true });
}
