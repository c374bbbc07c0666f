import type { TestContext } from "vitest";
import type { Reporter, TestModule } from "vitest/node";
import { styleOf } from "../../adapters/cli/style.ts";
import { renderTable } from "../../adapters/cli/table.ts";

/** What a test of a client shows. */
export interface ClientCell {
  /** "typescript", "python", "go", … */
  readonly language: string;
  /** The library, and how it reaches Weir: "openai chat, grpc". */
  readonly client: string;
  /** "allow", "block", … */
  readonly effect: string;
  readonly mode: "whole" | "stream";
}

/** Says what a test shows, for the table at the end of `npm run test:clients`. */
export function show({ task }: TestContext, cell: ClientCell): void {
  Object.assign(task.meta, { client: cell });
}

/** Modes by effect, with whether the test of it passed. */
type Row = Map<string, Map<string, boolean>>;

/**
 * Ends a run with a table of the tests that say what they show: a line for each language and client, a column
 * for each effect, the modes in the cells; a mode whose test failed is marked "!".
 */
export class ClientTable implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const rows = new Map<string, Row>();
    const effects = new Set<string>();
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const { client } = test.meta() as { readonly client?: ClientCell };
        const { state } = test.result();
        if (client === undefined || (state !== "passed" && state !== "failed")) continue;
        const { client: library, effect, language, mode } = client;
        effects.add(effect);
        const name = `${language}, ${library}`;
        const row: Row = rows.get(name) ?? new Map();
        const cell = row.get(effect) ?? new Map<string, boolean>();
        cell.set(mode, (cell.get(mode) ?? true) && state === "passed");
        rows.set(name, row.set(effect, cell));
      }
    }
    if (rows.size > 0) process.stdout.write(`\n${tableOf(rows, [...effects])}\n`);
  }
}

function tableOf(rows: ReadonlyMap<string, Row>, effects: readonly string[]): string {
  const columns = ["language, client", ...effects].map((title) => ({ title }));
  const lines = [...rows].map(([name, row]) => [
    name,
    ...effects.map((effect) => cellOf(row.get(effect))),
  ]);
  return renderTable(columns, lines, styleOf(false));
}

function cellOf(modes: ReadonlyMap<string, boolean> | undefined): string {
  if (modes === undefined) return "-";
  return [...modes].map(([mode, passed]) => (passed ? mode : `!${mode}`)).join(" ");
}
