/**
 * Rebuilds compiler/opac.wasm.br from its Go sources; needs Go and the Go module proxy. With --check
 * nothing is written: it fails if the module differs from the one checked in.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";

import { inTemporaryFolder } from "./compile.ts";
import { MODULE_FILE, readStamp, type Stamp, STAMP_FILE } from "./compiler.ts";

const SOURCES = join(import.meta.dirname, "compiler");
const FLAGS = ["-ldflags", "-s -w", "-trimpath", "-buildvcs=false"];

const raw = await inTemporaryFolder(async (folder) => {
  const file = join(folder, "opac.wasm");
  const env = { ...process.env, GOOS: "wasip1", GOARCH: "wasm", GOFLAGS: "", GOWORK: "off" };
  execFileSync("go", ["build", ...FLAGS, "-o", file, "."], { cwd: SOURCES, env, stdio: "inherit" });
  return readFileSync(file);
});
const built: Stamp = {
  go: ask("env", "GOVERSION"),
  opa: ask("list", "-m", "-f", "{{.Version}}", "github.com/open-policy-agent/opa").replace(
    /^v/,
    "",
  ),
  sha256: createHash("sha256").update(raw).digest("hex"),
};
if (process.argv.includes("--check")) compare(readStamp());
else write();

function ask(...args: readonly string[]): string {
  return execFileSync("go", args, { cwd: SOURCES, encoding: "utf8" }).trim();
}

function compare(stamp: Stamp): void {
  if (built.sha256 === stamp.sha256) {
    console.log(`the checked-in module is what its sources build (${built.go}, OPA ${built.opa})`);
    return;
  }
  process.exitCode = 1;
  if (built.go === stamp.go)
    console.error(`the sources build ${built.sha256}, checked in is ${stamp.sha256}`);
  else
    console.error(
      `this is ${built.go}, the checked-in module was made by ${stamp.go}: digests cannot be compared`,
    );
}

function write(): void {
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
    [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
    [constants.BROTLI_PARAM_SIZE_HINT]: raw.length,
  };
  writeFileSync(MODULE_FILE, brotliCompressSync(raw, { params }));
  writeFileSync(STAMP_FILE, `${JSON.stringify(built, null, 2)}\n`);
  console.log(`wrote ${built.sha256} (${built.go}, OPA ${built.opa})`);
}
