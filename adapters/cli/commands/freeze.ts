import type { weir } from "../../../proto/gen/weir.js";
import type { Invocation } from "../command.ts";
import { asOperator } from "../at-service.ts";
import { harmless, quoted, styleOf } from "../style.ts";

/** Sets a kill switch on a running service. */
export async function run(invocation: Invocation): Promise<number> {
  const { json, terminal } = invocation;
  const change = await asOperator(invocation, (client) => client.freeze(requestOf(invocation)));
  if (json) {
    terminal.print(JSON.stringify({ frozen: true, ...changeJson(change) }));
    return 0;
  }
  const { reason, scope, tenant, unknown, wasFrozen } = change;
  const style = styleOf(terminal.color);
  const again = wasFrozen ? " (it was frozen before; this is the reason now)" : "";
  const lift = `weir unfreeze ${quoted(scope)} --tenant ${quoted(tenant)} --why TEXT`;
  terminal.print(`${style.bold(style.red("FROZEN"))}  ${named(scope, tenant)}${again}`);
  terminal.print(`  why   ${harmless(reason)}`);
  terminal.print(`  next  its calls are blocked from now on, in shadow too; to lift it: ${lift}`);
  if (unknown) {
    terminal.note(
      `the policy bundle has no ${named(scope, tenant)}: if the name is wrong, nothing is stopped`,
    );
  }
  return 0;
}

/** The request of `freeze` and `unfreeze`. */
export function requestOf({ flags, positionals }: Invocation) {
  return {
    scope: positionals["SCOPE"] ?? "",
    tenant: flags["tenant"] ?? "",
    reason: flags["why"] ?? "",
  };
}

/** A change for a program. */
export function changeJson(change: weir.v1.FreezeChange) {
  const { actor, atMs, reason, scope, tenant, unknown, wasFrozen } = change;
  return { tenant, scope, reason, actor, at_ms: Number(atMs), was_frozen: wasFrozen, unknown };
}

/** A scope and its tenant for people. */
export function named(scope: string, tenant: string): string {
  const whose = tenant === "*" ? "of the whole platform" : `of tenant ${tenant}`;
  return harmless(scope === "*" ? `every call ${whose}` : `${scope} ${whose}`);
}
