/**
 * Builds `policies` into `bundles/starter`, and the page about its schemas; with --check only compares, and
 * fails if they differ.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { WeirError } from "../../engine/errors.ts";
import { type BundleFiles, openBundle } from "../../engine/policy/bundle.ts";
import { buildPolicies, writeBundle } from "./compile.ts";
import type { Schema } from "./parity/schema.ts";
import { renderReference } from "./reference.ts";

const ROOT = join(import.meta.dirname, "../..");
const FOLDER = "bundles/starter";
const REFERENCE = "docs/policy-reference.md";

try {
  const built = await buildPolicies(ROOT);
  // What would be refused at start is refused here.
  openBundle(built);
  const reference = renderReference(readSchema("input"), readSchema("result"));
  if (process.argv.includes("--check")) compare(built, reference);
  else {
    writeBundle(join(ROOT, FOLDER), built);
    writeFileSync(join(ROOT, REFERENCE), reference);
  }
  const { revision } = JSON.parse(built.manifest) as { revision: string };
  console.log(`${FOLDER} holds revision ${revision}`);
} catch (thrown) {
  console.error(WeirError.from(thrown).message);
  process.exitCode = 1;
}

function readSchema(name: string): Schema {
  return JSON.parse(readFileSync(join(ROOT, `policies/schemas/${name}.json`), "utf8")) as Schema;
}

function compare(built: BundleFiles, reference: string): void {
  const stale = (
    [
      [`${FOLDER}/policy.wasm`, built.wasm],
      [`${FOLDER}/data.json`, built.data],
      [`${FOLDER}/.manifest`, built.manifest],
      [REFERENCE, reference],
    ] as const
  ).filter(([name, content]) => {
    const path = join(ROOT, name);
    return !existsSync(path) || !readFileSync(path).equals(Buffer.from(content));
  });
  if (stale.length === 0) return;
  const names = stale.map(([name]) => name).join(", ");
  throw new WeirError(
    "bundle.invalid",
    `not what policies builds: ${names}; run npm run build:policies`,
  );
}
