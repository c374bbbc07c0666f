import { LIMITS } from "../../../engine/limits.ts";
import { type Invocation, UsageError } from "../command.ts";
import { asOperator } from "../at-service.ts";
import { renderVelocity, velocityJson } from "../render-velocity.ts";
import { styleOf } from "../style.ts";

/** Shows where a tenant spends fastest right now. */
export async function run(invocation: Invocation): Promise<number> {
  const { flags, json, terminal } = invocation;
  const tenant = flags["tenant"] ?? "";
  const request = { tenant, top: parseTop(flags["top"]) };
  const list = await asOperator(invocation, (client) => client.getVelocity(request));
  if (json) terminal.print(JSON.stringify({ tenant, ...velocityJson(list) }));
  else if (list.scopes.length === 0)
    terminal.print(`tenant ${tenant} spent nothing in the last hour`);
  else terminal.print(renderVelocity(list, styleOf(terminal.color)));
  return 0;
}

function parseTop(text: string | undefined): number {
  if (text === undefined) return 0;
  const top = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (top >= 1 && top <= LIMITS.listed) return top;
  throw new UsageError(`--top ${text} is not a whole number from 1 to ${LIMITS.listed}`);
}
