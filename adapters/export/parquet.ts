import type { SchemaElement } from "hyparquet";
import { fileWriter, ParquetWriter } from "hyparquet-writer";
import type { Cell, CellKind, Column } from "./table.ts";

/** Rows that are encoded together. */
const GROUP_ROWS = 50_000;

/** Writes rows to a Parquet file, a row group at a time, so that any number of them may come. */
export class ParquetRows<Row> {
  readonly #columns: readonly Column<Row>[];
  readonly #writer: ParquetWriter;
  #waiting: Row[] = [];

  constructor(path: string, columns: readonly Column<Row>[]) {
    this.#columns = columns;
    this.#writer = new ParquetWriter({
      createdBy: "weir",
      schema: [{ name: "root", num_children: columns.length }, ...columns.map(elementOf)],
      writer: fileWriter(path),
    });
  }

  async write(rows: readonly Row[]): Promise<void> {
    for (const row of rows) {
      this.#waiting.push(row);
      if (this.#waiting.length >= GROUP_ROWS) await this.#flush();
    }
  }

  async close(): Promise<void> {
    await this.#flush();
    await this.#writer.finish();
  }

  async #flush(): Promise<void> {
    const rows = this.#waiting;
    if (rows.length === 0) return;
    this.#waiting = [];
    await this.#writer.write({
      columnData: this.#columns.map(({ cell, kind, name }) => ({
        data: rows.map((row) => valueOf(cell(row), kind)),
        name,
      })),
      rowGroupSize: GROUP_ROWS,
    });
  }
}

/** A decimal has 38 digits, 12 of them behind the point. */
function elementOf<Row>({ kind, name }: Column<Row>): SchemaElement {
  const nullable = { name, repetition_type: "OPTIONAL" } as const;
  switch (kind) {
    case "text":
      return { ...nullable, converted_type: "UTF8", type: "BYTE_ARRAY" };
    case "integer":
      return { ...nullable, type: "INT64" };
    case "number":
      return { ...nullable, type: "DOUBLE" };
    case "time":
      return { ...nullable, converted_type: "TIMESTAMP_MILLIS", type: "INT64" };
    case "decimal":
      return {
        ...nullable,
        converted_type: "DECIMAL",
        precision: 38,
        scale: 12,
        type: "FIXED_LEN_BYTE_ARRAY",
        type_length: 16,
      };
  }
}

function valueOf(cell: Cell, kind: CellKind): Cell | Date {
  if (cell === null) return null;
  if (kind === "integer") return BigInt(cell);
  return kind === "time" ? new Date(Number(cell)) : cell;
}
