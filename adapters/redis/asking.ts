import type { Hold, ScopeCharge } from "../../engine/reservation/reservation.ts";
import { tenantFields } from "./keys.ts";
import { packParameters, type PackedParameters } from "./scope-state.ts";
import type { ScriptCall } from "./scripts.ts";

/** What an intent on one model asks for. */
export interface Ask {
  readonly tenant: string;
  readonly holds: readonly Hold[];
  readonly scopes: readonly ScopeCharge[];
  readonly freezeScopes: readonly string[];
  readonly costNanoUsd: number;
  /** The whole platform is frozen for it. */
  readonly isFrozen: boolean;
  /** Field of its principal's endings. */
  readonly endings: string;
}

/** Passes it as scripts/include/request.lua reads it. */
export function passAsk(call: ScriptCall, ask: Ask): void {
  const { holds, scopes } = ask;
  const fields = tenantFields(ask.tenant);
  const kinds = kindsOf(scopes);
  const kindNames = kinds.map(({ field }) => field);
  call.value(ask.costNanoUsd, ask.isFrozen, holds.map(({ amount }) => `${amount} 0`).join(" "));
  call.value(JSON.stringify(ask.freezeScopes), scopes.length, kinds.length, holds.length);
  call.value(fields.clock, ask.endings, fields.freezes);
  for (const { scope } of scopes) call.value(fields.scope(scope));
  call.value(...kindNames);
  for (const scope of scopes) call.value(kindNames.indexOf(packParameters(scope).field) + 1);
  for (const hold of holds) {
    const parts = hold.rolling === undefined ? 1 : hold.rolling.last - hold.rolling.first + 1;
    // Soft ones have their parts below zero.
    call.value(hold.mode === "hard" ? parts : -parts, hold.limit, hold.amount);
  }
  for (const hold of holds) {
    for (const instance of judgedInstances(hold)) call.value(`h:${instance}`, `s:${instance}`);
  }
}

/** The different parameters of some scopes. */
export function kindsOf(scopes: readonly ScopeCharge[]): readonly PackedParameters[] {
  return [...new Set(scopes.map(packParameters))];
}

/** Every instance whose sum is judged; the hold's own is the last. */
function* judgedInstances({ instance, rolling }: Hold): Generator<string> {
  if (rolling !== undefined) {
    for (let index = rolling.first; index < rolling.last; index += 1) {
      yield `${rolling.base}${index}`;
    }
  }
  yield instance;
}
