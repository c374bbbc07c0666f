/** Builds `policies` into `bundles/starter`; with --check only compares, and fails if they differ. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { WeirError } from "../../engine/errors.ts";
import { type BundleFiles, openBundle } from "../../engine/policy/bundle.ts";
import { buildPolicies, writeBundle } from "./compile.ts";

const ROOT = join(import.meta.dirname, "../..");
const FOLDER = "bundles/starter";

try {
  const built = await buildPolicies(ROOT);
  // What would be refused at start is refused here.
  openBundle(built);
  if (process.argv.includes("--check")) compare(built);
  else writeBundle(join(ROOT, FOLDER), built);
  const { revision } = JSON.parse(built.manifest) as { revision: string };
  console.log(`${FOLDER} holds revision ${revision}`);
} catch (thrown) {
  console.error(WeirError.from(thrown).message);
  process.exitCode = 1;
}

function compare(built: BundleFiles): void {
  const stale = (
    [
      ["policy.wasm", built.wasm],
      ["data.json", built.data],
      [".manifest", built.manifest],
    ] as const
  ).filter(([name, content]) => {
    const path = join(ROOT, FOLDER, name);
    return !existsSync(path) || !readFileSync(path).equals(Buffer.from(content));
  });
  if (stale.length === 0) return;
  const names = stale.map(([name]) => name).join(", ");
  throw new WeirError(
    "bundle.invalid",
    `${FOLDER} is not what policies builds (${names}): run npm run build:policies`,
  );
}
