import { resolve } from "node:path";

import { checkPolicies } from "../../opa/check.ts";
import { formatPolicies } from "../../opa/compile.ts";
import type { Place } from "../../opa/facts.ts";
import { formatFault, type SourceFault } from "../../opa/manifest.ts";
import { withPolicyRoot } from "../../opa/policy-root.ts";
import { isCostly, measurePrices } from "../../opa/prices.ts";
import type { Invocation } from "../command.ts";
import { EXIT } from "../exit.ts";
import { styleOf } from "../style.ts";
import { counted } from "./count.ts";

/** Checks policies; exit code 1 if something is wrong. Warnings alone are none. */
export async function run({ flags, json, terminal }: Invocation): Promise<number> {
  const folder = resolve(terminal.cwd, flags["dir"] ?? ".");
  if (flags["fix"] !== undefined) await withPolicyRoot(folder, ({ own }) => formatPolicies(own));
  const { faults, warnings } = await withPolicyRoot(folder, ({ root }) => check(root));
  if (json) terminal.print(JSON.stringify({ ok: faults.length === 0, faults, warnings }));
  else {
    const style = styleOf(terminal.color);
    for (const fault of faults) terminal.print(style.red(formatFault(fault)));
    for (const { file, row, message } of warnings)
      terminal.print(`${file}:${row}: ${style.yellow("warning")}: ${message}`);
    const found = [counted(faults.length, "fault"), counted(warnings.length, "warning")];
    terminal.print(
      faults.length === 0
        ? style.green(`the policies are sound${warnings.length > 0 ? `; ${found[1]}` : ""}`)
        : found.join(", "),
    );
  }
  return faults.length === 0 ? EXIT.ok : EXIT.fault;
}

async function check(root: string): Promise<{
  readonly faults: readonly SourceFault[];
  readonly warnings: readonly SourceFault[];
}> {
  const { facts, faults } = await checkPolicies(root);
  const costly = facts.calls.filter(
    ({ file, name }) => isCostly(name) && !file.endsWith("_test.rego"),
  );
  return { faults, warnings: costly.length === 0 ? [] : await priced(costly) };
}

async function priced(calls: readonly Place[]): Promise<readonly SourceFault[]> {
  const names = [...new Set(calls.map(({ name }) => name))];
  const prices = await measurePrices(names);
  return calls.map(({ file, row, name }) => {
    const costsUs = (prices.get(name) ?? 0).toFixed(1);
    const instead = "compare with ==, in, startswith or split where that is enough";
    const message = `${name} compiles its pattern at every evaluation, ${costsUs} µs a call here; ${instead}`;
    return { file, message, row };
  });
}
