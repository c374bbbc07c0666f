import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";

import { createHash } from "node:crypto";

import { providePeer } from "./peer.ts";

const SOURCES = join(import.meta.dirname, "opa");
const PROGRAM = "github.com/open-policy-agent/opa";

/**
 * The path of OPA's own program, of the version in `opa/go.mod`: built by Go from the module proxy
 * once (two minutes on two cores) and kept below `.cache/`.
 * @throws Error naming what Go said
 */
export function provideOpa(): string {
  const go = providePeer({ aptPackage: "golang-go", program: "go" });
  const sums = readFileSync(join(SOURCES, "go.sum"));
  const digest = createHash("sha256").update(sums).digest("hex").slice(0, 16);
  const folder = join(import.meta.dirname, "../../.cache/opa");
  const path = join(folder, `opa-${digest}`);
  if (existsSync(path)) return path;
  mkdirSync(folder, { recursive: true });
  const draft = `${path}.${process.pid}`;
  const flags = ["-trimpath", "-ldflags", "-s -w", "-buildvcs=false"];
  const env = { ...process.env, GOFLAGS: "-mod=readonly", GOWORK: "off" };
  execFileSync(go, ["build", ...flags, "-o", draft, PROGRAM], { cwd: SOURCES, env, stdio: "pipe" });
  renameSync(draft, path);
  return path;
}

/** Runs OPA to its end; its exit code and everything it printed. */
export function runOpa(
  parameters: readonly string[],
  cwd?: string,
): { readonly exit: number; readonly said: string } {
  const done = spawnSync(provideOpa(), parameters, { cwd, encoding: "utf8" });
  return { exit: done.status ?? 1, said: `${done.stdout}${done.stderr}` };
}
