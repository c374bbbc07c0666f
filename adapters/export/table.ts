/**
 * What a cell holds: text; a whole number; an exact decimal as its 10^12th parts (so pico-USD for USD);
 * a number as computers compute it; a time as epoch ms. Null where there is nothing.
 */
export type Cell = string | bigint | number | null;
export type CellKind = "text" | "integer" | "decimal" | "number" | "time";

/** A column of a table of such rows. */
export interface Column<Row> {
  readonly name: string;
  readonly kind: CellKind;
  readonly cell: (row: Row) => Cell;
}

/** Where rows go, in the form of a file. Nothing is there before `close`, and after a fault. */
export interface RowSink<Row> {
  write(rows: readonly Row[]): Promise<void>;
  close(): Promise<void>;
  /** Leaves no file behind. */
  abandon(): Promise<void>;
}

export const EXPORT_FORMS = ["csv", "ndjson", "parquet"] as const;
export type ExportForm = (typeof EXPORT_FORMS)[number];

/** The form that a file's name asks for; null for none. */
export function formOf(path: string): ExportForm | null {
  return EXPORT_FORMS.find((form) => path.toLowerCase().endsWith(`.${form}`)) ?? null;
}

/** A time as FOCUS and everybody else reads it: "2026-11-25T12:00:00Z", milliseconds where there are any. */
export function timeText(atMs: number): string {
  return new Date(atMs).toISOString().replace(".000Z", "Z");
}
