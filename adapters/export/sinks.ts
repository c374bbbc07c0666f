import { closeSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { ParquetRows } from "./parquet.ts";
import type { Column, ExportForm, RowSink } from "./table.ts";
import { csvHead, csvLine, jsonLine } from "./text.ts";

/** Opens a file for rows; it takes the place of an older one once it is whole. */
export function openFileSink<Row>(
  path: string,
  form: ExportForm,
  columns: readonly Column<Row>[],
): RowSink<Row> {
  const draft = `${path}.partial`;
  const sink = form === "parquet" ? parquetSink(draft, columns) : textSink(draft, form, columns);
  return {
    abandon: async () => {
      await sink.close();
      rmSync(draft, { force: true });
    },
    close: async () => {
      await sink.close();
      renameSync(draft, path);
    },
    write: (rows) => sink.write(rows),
  };
}

/** Rows as lines, for a terminal or a pipe. */
export function lineSink<Row>(
  print: (line: string) => void,
  form: Exclude<ExportForm, "parquet">,
  columns: readonly Column<Row>[],
): RowSink<Row> {
  if (form === "csv") print(csvHead(columns));
  return {
    abandon: async () => {},
    close: async () => {},
    write: async (rows) => {
      const text = form === "csv" ? csvLine : jsonLine;
      for (const row of rows) print(text(columns, row));
    },
  };
}

type OpenSink<Row> = Pick<RowSink<Row>, "close" | "write">;

function textSink<Row>(
  path: string,
  form: Exclude<ExportForm, "parquet">,
  columns: readonly Column<Row>[],
): OpenSink<Row> {
  const file = openSync(path, "w");
  const end = form === "csv" ? "\r\n" : "\n";
  const print = (line: string): void => void writeSync(file, line + end);
  const lines = lineSink(print, form, columns);
  return { close: async () => closeSync(file), write: (rows) => lines.write(rows) };
}

function parquetSink<Row>(path: string, columns: readonly Column<Row>[]): OpenSink<Row> {
  return new ParquetRows(path, columns);
}
