import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { WeirError } from "../../../engine/errors.ts";
import type { RawCost } from "../../../engine/ledger/parse-costs.ts";
import { LIMITS } from "../../../engine/limits.ts";
import type { Encodable, weir } from "../../../proto/gen/weir.js";
import { asReader } from "../at-service.ts";
import type { Invocation } from "../command.ts";
import { costsFromEvents } from "../cost-events.ts";

/** Takes costs that no model call caused into the ledger; what came before counts once. */
export async function run(invocation: Invocation): Promise<number> {
  const { json, positionals, terminal } = invocation;
  const file = positionals["FILE"] ?? "";
  const costs = costsFromEvents(await textOf(invocation, file), file);
  const result = await asReader(invocation, async (client) => {
    let [imported, duplicates] = [0, 0];
    for (let at = 0; at < costs.length; at += LIMITS.costEvents) {
      const answer = await client.importCosts(costs.slice(at, at + LIMITS.costEvents).map(toProto));
      imported += Number(answer.imported);
      duplicates += Number(answer.duplicates);
    }
    return { duplicates, imported };
  });
  const again = result.duplicates === 0 ? "" : `; ${result.duplicates} were there already`;
  const count = `${result.imported} ${result.imported === 1 ? "cost" : "costs"}`;
  terminal.print(json ? JSON.stringify(result) : `${count} taken into the ledger${again}`);
  return 0;
}

/** The server checks the values, and names what is wrong with them. */
function toProto(cost: RawCost): Encodable<weir.v1.CostEvent> {
  return cost as Encodable<weir.v1.CostEvent>;
}

async function textOf({ terminal }: Invocation, file: string): Promise<string> {
  if (file === "-") return terminal.readInput();
  try {
    return await readFile(resolve(terminal.cwd, file), "utf8");
  } catch (cause) {
    const reason = cause instanceof Error && "code" in cause ? String(cause.code) : "unreadable";
    throw new WeirError("ledger.invalid", `cannot read ${file}: ${reason}`, { cause });
  }
}
