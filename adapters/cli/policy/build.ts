import { relative, resolve } from "node:path";

import { WeirError } from "../../../engine/errors.ts";
import { type BuiltBundle, buildBundle, expectParity } from "../../opa/build-bundle.ts";
import { type Check, checkPolicies } from "../../opa/check.ts";
import { writeBundle } from "../../opa/compile.ts";
import { formatFault } from "../../opa/manifest.ts";
import { withPolicyRoot } from "../../opa/policy-root.ts";
import type { Invocation } from "../command.ts";
import { EXIT } from "../exit.ts";
import { styleOf } from "../style.ts";

/** Builds a bundle; one that fails the check or that OPA does not agree with is not written. */
export async function run({ flags, json, terminal }: Invocation): Promise<number> {
  const folder = resolve(terminal.cwd, flags["dir"] ?? ".");
  const out = resolve(terminal.cwd, flags["out"] ?? "bundle");
  const opa = flags["opa"];
  const built = await withPolicyRoot(folder, async ({ root }) => {
    // A program is looked for on the PATH, a path is one from here.
    const program = opa?.includes("/") === true ? resolve(terminal.cwd, opa) : opa;
    expectSound(await checkPolicies(root));
    if (!json && program === undefined)
      terminal.note(
        "comparing with OPA on some two thousand inputs; with --opa PATH it takes a second",
      );
    return buildBundle(root, program === undefined ? {} : { opa: program });
  });
  expectParity(built.parity);
  writeBundle(out, built.files);
  terminal.print(
    json ? toJson(built) : toText(built, relative(terminal.cwd, out) || ".", terminal.color),
  );
  return EXIT.ok;
}

function expectSound({ faults }: Check): void {
  const [first] = faults;
  if (first === undefined) return;
  const violations = faults.map(({ file, row, message }) => ({
    field: `${file}:${row}`,
    description: message,
  }));
  const message =
    faults.length === 1 ? formatFault(first) : `the policies have ${faults.length} faults`;
  throw new WeirError("bundle.invalid", message, { violations });
}

function toJson({ bundle, files, parity }: BuiltBundle): string {
  const { metadata } = JSON.parse(files.manifest) as {
    readonly metadata: {
      readonly weir: { readonly wasm_sha256: string; readonly data_sha256: string };
    };
  };
  const { wasm_sha256, data_sha256 } = metadata.weir;
  const { differences, inputs } = parity;
  return JSON.stringify({
    revision: bundle.revision,
    wasm_sha256,
    data_sha256,
    parity: { inputs, differences },
  });
}

function toText(
  { bundle, files, parity, unmet }: BuiltBundle,
  out: string,
  color: boolean,
): string {
  const style = styleOf(color);
  const kilobytes = (bytes: number): string => `${Math.ceil(bytes / 1_000)} kB`;
  const rules = Object.keys(bundle.rules).length;
  const row = (label: string, text: string): string => `  ${style.faint(label.padEnd(10))}${text}`;
  return [
    `${style.green("built")} ${style.bold(out)}, revision ${bundle.revision}`,
    row(
      "holds",
      `${rules} rules, policy.wasm ${kilobytes(files.wasm.length)}, data.json ${kilobytes(files.data.length)}`,
    ),
    row("digest", bundle.digest),
    row("parity", `OPA and the compiled policy agree on ${parity.inputs} inputs`),
    ...(unmet.length > 0 ? [row("unmet", `no input made ${unmet.join(", ")} hold`)] : []),
    "",
    `${style.bold("next")}: npx weir start --bundle ${out}`,
  ].join("\n");
}
