/**
 * Builds `dist/`, what the npm package holds: the sources compiled, with their types, laid out as in
 * the checkout, so that every path between files stays what it is.
 */
import { execFileSync } from "node:child_process";
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

import { isShipped, LIBRARY } from "./opa/policy-root.ts";

const ROOT = join(import.meta.dirname, "..");
const DIST = join(ROOT, "dist");

/** What the code reads beside itself. */
const ASSETS = [
  "adapters/cli/policy/scaffold",
  "adapters/opa/compiler/opac.sha256",
  "adapters/opa/compiler/opac.wasm.br",
  "adapters/envoy/profiles",
  "bundles/starter",
  "adapters/redis/scripts",
  "examples/trace",
  "proto/gen/descriptors.binpb",
  "proto/gen/envoy.d.ts",
  "proto/gen/envoy.js",
  "proto/gen/weir.d.ts",
  "proto/gen/weir.js",
  "proto/third_party",
  "proto/weir",
];

rmSync(DIST, { force: true, recursive: true });
compile();
for (const asset of ASSETS) cpSync(join(ROOT, asset), join(DIST, asset), { recursive: true });
cpSync(LIBRARY, join(DIST, "policies"), { filter: isShipped, recursive: true });
writeFileSync(join(DIST, "package.json"), identity());

function compile(): void {
  const { resolve } = createRequire(import.meta.url);
  const tsc = join(dirname(resolve("typescript/package.json")), "bin/tsc");
  const project = join(ROOT, "tsconfig.build.json");
  execFileSync(process.execPath, [tsc, "-p", project], {
    cwd: ROOT,
    stdio: ["ignore", "inherit", "inherit"],
  });
}

/** Name, version and module type: what the code asks of the package.json above it. */
function identity(): string {
  const whole = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as Record<
    string,
    unknown
  >;
  const { name, version, type } = whole;
  return `${JSON.stringify({ name, version, type, private: true }, null, 2)}\n`;
}
