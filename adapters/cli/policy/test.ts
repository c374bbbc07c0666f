import { existsSync, watch, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { WeirError } from "../../../engine/errors.ts";
import { withPolicyRoot } from "../../opa/policy-root.ts";
import { type PolicyTests, testPolicies } from "../../opa/test-policies.ts";
import type { Invocation } from "../command.ts";
import { EXIT } from "../exit.ts";
import { toJUnit } from "./junit.ts";
import { isSound, renderTests, toJson } from "./render-tests.ts";

/** Runs the tests; exit code 1 if one fails, or gives in WASM what it does not give in OPA. */
export async function run(invocation: Invocation): Promise<number> {
  const { flags, json, terminal } = invocation;
  const folder = resolve(terminal.cwd, flags["dir"] ?? ".");
  const once = async (): Promise<number> => {
    const tests = await runTests(folder, flags["run"]);
    if (flags["junit"] !== undefined)
      writeFileSync(resolve(terminal.cwd, flags["junit"]), toJUnit(tests));
    terminal.print(json ? toJson(tests) : renderTests(tests, terminal));
    return isSound(tests) ? EXIT.ok : EXIT.fault;
  };
  if (flags["watch"] === undefined) return once();
  for (;;) {
    const changed = nextChange(folder);
    try {
      await once();
    } catch (thrown) {
      terminal.note(`weir: ${WeirError.from(thrown).message}`);
    }
    terminal.note(`waiting for a change in ${folder}; Ctrl-C ends`);
    await changed;
  }
}

/** Tests of the folder's own policies: what ships was tested before it shipped. */
async function runTests(folder: string, filter: string | undefined): Promise<PolicyTests> {
  return withPolicyRoot(folder, async ({ own, root }) => {
    const { files, rules, tests } = await testPolicies(root, filter);
    const isOwn = ({ file }: { readonly file: string }): boolean => existsSync(join(own, file));
    return { files: files.filter(isOwn), rules: rules.filter(isOwn), tests: tests.filter(isOwn) };
  });
}

const SETTLE_MS = 200;

/** Resolves once something in the folder's policies or cases has changed and come to rest. */
async function nextChange(folder: string): Promise<void> {
  const folders = ["policies", "cases"].map((name) => join(folder, name)).filter(existsSync);
  const watchers = folders.map((one) => watch(one, { recursive: true }));
  await Promise.race(
    watchers.map((watcher) => new Promise((changed) => watcher.once("change", changed))),
  );
  for (const watcher of watchers) watcher.close();
  await sleep(SETTLE_MS);
}
