import { loadConfig } from "../../adapters/config.ts";
import { openEngine } from "../../adapters/serve.ts";
import { WeirError } from "../../engine/errors.ts";
import { intentOf, LOCAL } from "./engine.ts";
import type { FleetPlace } from "./fleet.ts";

/**
 * Run as a process: a node of a fleet that, once it is told to, decides as many intents as it is given, 64 at a
 * time, and answers how many were admitted; what was refused for another reason than the budget is a fault.
 */
export interface FleetWork {
  readonly place: FleetPlace;
  readonly name: string;
  readonly intents: number;
}

const IN_FLIGHT = 64;
const { intents, name, place } = JSON.parse(process.argv[2] ?? "") as FleetWork;
const config = await loadConfig({ cwd: place.cwd, env: {}, flags: place.flags });
const faults: string[] = [];
const engine = await openEngine(config, { onFault: ({ message }) => faults.push(message) });
process.send?.("ready");
process.once("message", () => void work());

async function work(): Promise<void> {
  let sent = 0;
  let admitted = 0;
  const caller = async (): Promise<void> => {
    while (sent < intents) {
      sent += 1;
      try {
        const decision = await engine.weir.decide(intentOf(`${name}-${sent}`), LOCAL);
        if (decision.effect === "allow") admitted += 1;
        else if (decision.reasons.every(({ code }) => code !== "budget.exhausted")) {
          faults.push(JSON.stringify(decision.reasons));
        }
      } catch (thrown) {
        faults.push(WeirError.from(thrown).message);
      }
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, caller));
  await engine.close();
  process.send?.({ admitted, faults: faults.slice(0, 10) }, () => process.disconnect());
}
