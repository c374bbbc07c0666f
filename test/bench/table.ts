import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";

import type { Bench, Measured, Row } from "./row.ts";

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly node: string;
  readonly date: string;
}

export function describeMachine(): Machine {
  return {
    cores: availableParallelism(),
    cpu: cpus()[0]?.model ?? "unknown",
    date: new Date().toISOString().slice(0, 10),
    node: process.version,
  };
}

const HEAD = ["row", "per second", "p50 µs", "p99 µs", "target", "met"] as const;

/** A line of cells in the order of HEAD. */
export function cellsOf(bench: Bench, { met, row }: Measured): readonly string[] {
  const figure = (value: number) => value.toLocaleString("en-US", { maximumFractionDigits: 1 });
  const verdict = met === null ? "" : met ? "yes" : "no";
  return [
    row.name,
    figure(row.per_second),
    figure(row.p50_us),
    figure(row.p99_us),
    bench.target,
    verdict,
  ];
}

const WIDTHS = [18, 10, 9, 10, 16, 3] as const;

/** One line of the terminal's table, the note below it. */
export function textLine(cells: readonly string[], note: string): string {
  const padded = cells.map((cell, index) =>
    index >= 1 && index <= 3 ? cell.padStart(WIDTHS[index] ?? 0) : cell.padEnd(WIDTHS[index] ?? 0),
  );
  return `${padded.join("  ").trimEnd()}${note === "" ? "" : `\n    ${note}`}`;
}

export const TEXT_HEAD = textLine(HEAD, "");

/** What the handler costs beside the library, from rows of one run; "" if they are not all there. */
export function ratioLine(rows: readonly Row[]): string {
  const of = (name: string) => rows.find((row) => row.name === name)?.per_second;
  const ratio = (name: string, base: string): string | null => {
    const [one, other] = [of(name), of(base)];
    return one === undefined || other === undefined
      ? null
      : `${name} ${Math.round((one / other) * 100)} % of ${base}`;
  };
  return [ratio("grpc_unary_c32", "grpc_empty_c32"), ratio("grpc_stream", "grpc_empty_stream")]
    .filter((text) => text !== null)
    .join(", ");
}

const BEGIN = "<!-- table: written by npm run bench -->";
const END = "<!-- end of table -->";

/** Puts the table between the markers of a document; the text around them stays. */
export function writeDocument(
  path: string,
  machine: Machine,
  results: readonly { readonly bench: Bench; readonly measured: Measured }[],
): void {
  const text = existsSync(path) ? readFileSync(path, "utf8") : `# Benchmarks\n\n${BEGIN}\n${END}\n`;
  const begin = text.indexOf(BEGIN);
  const end = text.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`${path} has no "${BEGIN}" followed by "${END}"`);
  const lines = [
    `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, ${machine.date}.`,
    "",
    `| ${HEAD.join(" | ")} | measured |`,
    "| --- | ---: | ---: | ---: | --- | --- | --- |",
    ...results.map(
      ({ bench, measured }) => `| ${cellsOf(bench, measured).join(" | ")} | ${bench.what} |`,
    ),
    "",
    ratioLine(results.map(({ measured }) => measured.row)),
    "",
    ...results.map(({ measured: { row } }) => `- \`${row.name}\`: ${row.note}.`),
  ];
  writeFileSync(
    path,
    `${text.slice(0, begin)}${BEGIN}\n\n${lines.join("\n")}\n\n${text.slice(end)}`,
  );
}
