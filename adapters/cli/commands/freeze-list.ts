import type { Invocation } from "../command.ts";
import { asOperator } from "../at-service.ts";
import { formatWait, styleOf } from "../style.ts";
import { renderTable } from "../table.ts";

/** Lists the kill switches of a running service. */
export async function run(invocation: Invocation): Promise<number> {
  const { flags, json, terminal } = invocation;
  const tenant = flags["tenant"] ?? "";
  const freezes = await asOperator(invocation, (client) => client.listFreezes(tenant));
  if (json) {
    const listed = freezes.map(({ actor, atMs, reason, scope, tenant }) => {
      return { tenant, scope, reason, actor, at_ms: Number(atMs) };
    });
    terminal.print(JSON.stringify({ freezes: listed }));
    return 0;
  }
  if (freezes.length === 0) {
    terminal.print("nothing is frozen");
    return 0;
  }
  const columns = ["TENANT", "SCOPE", "FOR", "BY", "WHY"].map((title) => ({ title }));
  const nowMs = Date.now();
  const rows = freezes.map(({ actor, atMs, reason, scope, tenant }) => {
    const ageMs = Math.max(0, nowMs - Number(atMs));
    return [tenant, scope, Number(atMs) === 0 ? "" : formatWait(ageMs), actor, reason];
  });
  terminal.print(renderTable(columns, rows, styleOf(terminal.color)));
  return 0;
}
