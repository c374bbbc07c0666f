import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { performance } from "node:perf_hooks";

import { loadModule, type PolicyModule } from "../../engine/policy/module.ts";
import { CAPABILITIES, expectResult, inTemporaryFolder } from "./compile.ts";
import { runCompiler } from "./compiler.ts";
import { LIBRARY } from "./policy-root.ts";

/** Built-in functions that cost more than the rule they stand in, and a call of each. */
const COSTLY: Readonly<Record<string, string>> = {
  "glob.match": 'glob.match("acme:*", [":"], input.word)',
  "regex.find_all_string_submatch_n":
    "regex.find_all_string_submatch_n(`^([a-z]+):.*$`, input.word, 1) != []",
  "regex.is_valid": "regex.is_valid(input.word)",
  "regex.match": "regex.match(`^[a-z]+:.*$`, input.word)",
};
const INPUT = '{"word":"acme:large"}';

const WARM_UPS = 2_000;
const RUNS = 2_000;

/** True for a function whose calls are worth a warning. */
export function isCostly(name: string): boolean {
  return Object.hasOwn(COSTLY, name);
}

/**
 * Measures what a call of each of these functions costs here, in microseconds beyond a comparison.
 * They compile their pattern again at every evaluation.
 */
export async function measurePrices(
  names: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const entrypoints = names.map((_, index) => `price/call_${index}`);
  const rules = names.map((name, index) => `call_${index} if ${COSTLY[name]}\n`);
  const source = `package price\n\nplain if startswith(input.word, "acme")\n\n${rules.join("\n")}`;
  return inTemporaryFolder(async (root) => {
    mkdirSync(join(root, "policies/price"), { recursive: true });
    writeFileSync(join(root, "policies/price/price.rego"), source);
    copyFileSync(join(LIBRARY, "capabilities.json"), join(root, CAPABILITIES));
    const command = ["build", "policies", "/", CAPABILITIES, "price/plain", ...entrypoints];
    const [answer] = await runCompiler({ "/": root }, [command]);
    expectResult(answer);
    const module = loadModule(readFileSync(join(root, "policy.wasm")), {});
    const plainUs = medianUs(module, "price/plain");
    const prices = entrypoints.map((entrypoint, index): [string, number] => [
      names[index] ?? "",
      medianUs(module, entrypoint) - plainUs,
    ]);
    return new Map(prices);
  });
}

/** The median time of an evaluation, in microseconds. */
function medianUs(module: PolicyModule, entrypoint: string): number {
  const number = module.entrypoints[entrypoint] ?? 0;
  for (let run = 0; run < WARM_UPS; run += 1) module.run(number, INPUT);
  const times = new Float64Array(RUNS);
  for (let run = 0; run < RUNS; run += 1) {
    const startMs = performance.now();
    module.run(number, INPUT);
    times[run] = (performance.now() - startMs) * 1_000;
  }
  return times.toSorted()[RUNS / 2] ?? 0;
}
