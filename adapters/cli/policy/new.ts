import { cpSync, existsSync, readdirSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";

import type { Invocation } from "../command.ts";
import { UsageError } from "../command.ts";
import { EXIT } from "../exit.ts";
import { styleOf } from "../style.ts";

const SCAFFOLD = join(import.meta.dirname, "scaffold");

/** Makes a folder of policies that passes its own checks; what is in the way is left alone. */
export async function run({ json, positionals, terminal }: Invocation): Promise<number> {
  const folder = resolve(terminal.cwd, positionals["DIR"] ?? "");
  if (existsSync(folder) && readdirSync(folder).length > 0) {
    throw new UsageError(
      `${positionals["DIR"]} is not empty; accepted is a folder still to be made`,
    );
  }
  cpSync(SCAFFOLD, folder, { recursive: true });
  // npm packs no file of this name.
  writeFileSync(join(folder, ".gitignore"), "bundle/\nnode_modules/\nweir-data/\n");
  const shown = relative(terminal.cwd, folder) || ".";
  if (json) terminal.print(JSON.stringify({ folder }));
  else {
    const style = styleOf(terminal.color);
    terminal.print(
      [
        `${style.green("made")} ${style.bold(shown)}: rules, data with a schema, tests`,
        "",
        `${style.bold("next")}: ${shown === "." ? "" : `cd ${shown} && `}npx weir policy check && npx weir policy test && npx weir policy build`,
      ].join("\n"),
    );
  }
  return EXIT.ok;
}
