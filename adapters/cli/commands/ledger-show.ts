import type { Invocation } from "../command.ts";
import { decisionJson, entryJson } from "../ledger-json.ts";
import { asReader } from "../at-service.ts";
import { renderDecisionEntries } from "../render-ledger.ts";
import { styleOf } from "../style.ts";

/** Shows one decision and what became of its money. */
export async function run(invocation: Invocation): Promise<number> {
  const { json, positionals, terminal } = invocation;
  const id = positionals["DECISION"] ?? "";
  const answer = await asReader(invocation, (client) => client.getDecision(id));
  if (answer.decision === null) throw new Error("the server's answer is empty");
  if (json) {
    const entries = answer.entries.map(entryJson);
    terminal.print(JSON.stringify({ decision: decisionJson(answer.decision), entries }));
  } else terminal.print(renderDecisionEntries(answer, styleOf(terminal.color)));
  return 0;
}
