import { usdFromPico } from "../../engine/money.ts";
import { type Cell, type CellKind, type Column, timeText } from "./table.ts";

/** The first line of a CSV, RFC 4180. */
export function csvHead<Row>(columns: readonly Column<Row>[]): string {
  return columns.map(({ name }) => quoted(name)).join(",");
}

export function csvLine<Row>(columns: readonly Column<Row>[], row: Row): string {
  return columns.map(({ cell, kind }) => quoted(textOf(cell(row), kind))).join(",");
}

/** A row as JSON: decimals are text, so that no reader rounds them. */
export function jsonLine<Row>(columns: readonly Column<Row>[], row: Row): string {
  return JSON.stringify(
    Object.fromEntries(columns.map(({ cell, kind, name }) => [name, jsonOf(cell(row), kind)])),
  );
}

function textOf(cell: Cell, kind: CellKind): string {
  if (cell === null) return "";
  if (kind === "decimal") return usdFromPico(cell as bigint);
  if (kind === "time") return timeText(Number(cell));
  // With a point, so that a reader who guesses types from text takes it for no integer.
  if (kind === "number" && Number.isInteger(cell)) return `${cell}.0`;
  return String(cell);
}

function jsonOf(cell: Cell, kind: CellKind): string | number | null {
  if (cell === null) return null;
  if (kind !== "integer" && kind !== "number") return textOf(cell, kind);
  const number = Number(cell);
  return kind === "number" || Number.isSafeInteger(number) ? number : String(cell);
}

function quoted(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
