/**
 * Changes the rules one place at a time and runs their tests on each change: `npm run test:mutation`.
 * What survives shows what no test would notice. Exits 1 below `--score` percent (90).
 */
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { runCompiler } from "../../adapters/opa/compiler.ts";
import type { TestOutcome } from "../../adapters/opa/compile.ts";
import { applyMutant, type Mutant, mutantsOf } from "./mutants.ts";

const POLICIES = join(import.meta.dirname, "../../policies");
/** Mutants that one process of the compiler tests. */
const BATCH = 16;

const { values: flags } = parseArgs({
  options: {
    file: { type: "string" },
    json: { default: false, type: "boolean" },
    score: { default: "90", type: "string" },
  },
});

const mutants = globSync("weir/**/*.rego", { cwd: POLICIES })
  .filter((file) => !file.endsWith("_test.rego") && file.includes(flags.file ?? ""))
  .toSorted()
  .flatMap((file) => mutantsOf(file, readFileSync(join(POLICIES, file), "utf8")));
const survivors: Mutant[] = [];
let tested = 0;
const batches = Array.from({ length: Math.ceil(mutants.length / BATCH) }, (_, index) =>
  mutants.slice(index * BATCH, (index + 1) * BATCH),
);
await Promise.all(Array.from({ length: availableParallelism() }, work));
report();

async function work(): Promise<void> {
  for (let batch = batches.pop(); batch !== undefined; batch = batches.pop()) {
    survivors.push(...(await survivorsOf(batch)));
    tested += batch.length;
    if (!flags.json && process.stderr.isTTY) process.stderr.write(`\r${tested}/${mutants.length}`);
  }
}

/** Each mutant is the whole library with one line changed, tested by OPA's own tester. */
async function survivorsOf(batch: readonly Mutant[]): Promise<readonly Mutant[]> {
  const root = mkdtempSync(join(tmpdir(), "weir-mutants-"));
  try {
    for (const [index, mutant] of batch.entries()) {
      cpSync(join(POLICIES, "weir"), join(root, `${index}`, "weir"), { recursive: true });
      const path = join(root, `${index}`, mutant.file);
      writeFileSync(path, applyMutant(readFileSync(path, "utf8"), mutant));
    }
    const answers = await runCompiler(
      { "/": root },
      batch.map((_, index) => ["test", `${index}`]),
    );
    return batch.filter((_, index) => {
      const answer = answers[index];
      if (answer === undefined || answer.errors.length > 0) return false;
      return (answer.result as { tests: readonly TestOutcome[] }).tests.every(({ pass }) => pass);
    });
  } finally {
    rmSync(root, { force: true, recursive: true });
  }
}

function report(): void {
  const killed = mutants.length - survivors.length;
  const score = mutants.length === 0 ? 0 : Math.floor((killed * 100) / mutants.length);
  if (flags.json) {
    console.log(JSON.stringify({ mutants: mutants.length, killed, score }));
  } else {
    for (const { after, before, file, line } of survivors.toSorted(byPlace)) {
      console.log(
        `policies/${file}:${line}\n  - ${before.trim()}\n  + ${after.trim() || "(removed)"}`,
      );
    }
    console.log(`${killed} of ${mutants.length} mutants killed, ${score} %`);
  }
  if (score < Number(flags.score)) process.exitCode = 1;
}

function byPlace(one: Mutant, other: Mutant): number {
  return one.file === other.file ? one.line - other.line : one.file < other.file ? -1 : 1;
}
