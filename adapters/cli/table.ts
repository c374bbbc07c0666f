import { harmless, type Style } from "./style.ts";

/** A column: its title, and on which side its cells stand. */
export interface Column {
  readonly title: string;
  readonly right?: boolean;
}

/** A cell; `paint` colours the text, which is padded before. */
export interface Cell {
  readonly text: string;
  readonly paint?: (text: string) => string;
}

/** Rows under titles, aligned; two blanks between columns, none at the end of a line. */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly (Cell | string)[])[],
  style: Style,
): string {
  const titles = columns.map(({ title }) => ({ text: title, paint: style.faint }));
  const cells = [titles, ...rows.map((row) => row.map(cellOf))];
  const widths = columns.map((_column, index) =>
    Math.max(...cells.map((row) => widthOf(row[index]?.text ?? ""))),
  );
  return cells
    .map((row) => row.map((cell, index) => padded(cell, columns, widths, index)).join("  "))
    .map((line) => line.trimEnd())
    .join("\n");
}

function padded(
  { paint = same, text }: Cell,
  columns: readonly Column[],
  widths: readonly number[],
  index: number,
): string {
  const space = " ".repeat((widths[index] ?? 0) - widthOf(text));
  if (columns[index]?.right === true) return space + paint(text);
  return index === columns.length - 1 ? paint(text) : paint(text) + space;
}

function cellOf(cell: Cell | string): Cell {
  return typeof cell === "string"
    ? { text: harmless(cell) }
    : { ...cell, text: harmless(cell.text) };
}

/** Characters as a person counts them. */
function widthOf(text: string): number {
  return text.match(/./gsu)?.length ?? 0;
}

function same(text: string): string {
  return text;
}
