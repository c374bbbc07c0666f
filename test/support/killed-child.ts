import { writeSync } from "node:fs";

import { WeirError } from "../../engine/errors.ts";
import { EVERY_KIND } from "./budgets.ts";
import { intentOf, LOCAL, openTestEngine } from "./engine.ts";
import { Random } from "./random.ts";

/**
 * Run as a process: decides, reports and cancels without end on the folder given, and prints each
 * answer the moment it has it. Somebody kills it.
 */
const [folder, round, seed] = process.argv.slice(2) as [string, string, string];
const engine = await openTestEngine({
  checkpointRecords: 20,
  data: { budgets: EVERY_KIND },
  folder,
  seed: `${seed}:${round}`,
});
const random = new Random(Number(seed) + Number(round));

async function caller(name: string): Promise<void> {
  for (let count = 0; ; count += 1) {
    try {
      const decision = await engine.weir.decide(
        intentOf(`${round}-${name}-${count}`, {
          data: { sensitivity: random.pick(["internal", "restricted"]) },
          model: random.pick(["openai:gpt-5-mini", "openai:gpt-6.1-sol"]),
          run: random.chance(0.3) ? { id: `run-${random.int(1, 9)}` } : undefined,
          task: random.pick(["chat", "code"]),
        }),
        LOCAL,
      );
      writeSync(1, `decided ${decision.id} ${decision.effect}\n`);
      if (random.chance(0.2)) {
        const { released } = await engine.weir.cancel(decision.id, LOCAL);
        if (released) writeSync(1, `cancelled ${decision.id}\n`);
      } else if (random.chance(0.8)) {
        const usage = { input: 1_000, output: random.int(1, 900) };
        await engine.weir.report({ decisionId: decision.id, sequence: 1, usage }, LOCAL);
        writeSync(1, `reported ${decision.id} 1\n`);
        await engine.weir.report(
          { decisionId: decision.id, final: true, outcome: "ok", sequence: 2, usage },
          LOCAL,
        );
        writeSync(1, `reported ${decision.id} 2\n`);
      }
      if (random.chance(0.05)) {
        engine.clock.advance(random.int(1, 40_000));
        await engine.weir.sweep();
      }
    } catch (thrown) {
      if (WeirError.from(thrown).code === "internal") throw thrown;
    }
  }
}

writeSync(1, "ready\n");
await Promise.all(["a", "b", "c", "d"].map(caller));
