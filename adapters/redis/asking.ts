import type { Hold, ScopeCharge } from "../../engine/reservation/reservation.ts";
import { tenantFields } from "./keys.ts";
import { packWindows, type PackedWindows } from "./scope-state.ts";
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
  const { freezeScopes, holds, scopes, tenant } = ask;
  const fields = tenantFields(tenant);
  const kinds = kindsOf(scopes);
  const windowsOf = (scope: ScopeCharge) => packWindows(scope.windows).field;
  const scopeFields = scopes.map(({ scope }) => fields.scope(scope));
  const kept = scopes.flatMap((scope, at) => [scopeFields[at] as string, windowsOf(scope)]);
  call.value(ask.costNanoUsd, ask.isFrozen, holdsText(holds), JSON.stringify(kept));
  call.value(holds.map(({ amount }) => `${amount} 0`).join(" "));
  call.value(freezeScopes.length, scopes.length, kinds.length, holds.length);
  call.value(fields.clock, ask.endings, ...scopeFields, ...kinds.map(({ field }) => field));
  const names = kinds.map(({ field }) => field);
  call.value(...scopes.map((scope) => names.indexOf(windowsOf(scope)) + 1));
  call.value(...freezeScopes.map((scope) => fields.freeze(scope)));
  const instances: string[] = [];
  for (const hold of holds) {
    const before = instances.length;
    for (const instance of judgedInstances(hold)) instances.push(`h:${instance}`, `s:${instance}`);
    const { amount, budget, endsAtMs, limit, mode, unit } = hold;
    call.value((instances.length - before) / 2, mode === "hard", limit, amount);
    call.value(JSON.stringify([budget, unit, endsAtMs]));
  }
  call.value(...instances);
}

/** The different windows of some scopes. */
export function kindsOf(scopes: readonly ScopeCharge[]): readonly PackedWindows[] {
  const kinds = new Map<string, PackedWindows>();
  for (const { windows } of scopes) {
    const packed = packWindows(windows);
    kinds.set(packed.field, packed);
  }
  return [...kinds.values()];
}

/** Holds as a reservation keeps them: scripts/include/reservation.lua reads them by sevens. */
export function holdsText(holds: readonly Hold[]): string {
  return JSON.stringify(
    holds.flatMap(({ amount, budget, endsAtMs, instance, mode, onExpiryAmount, unit }) => [
      instance,
      budget,
      unit,
      mode === "hard" ? 1 : 0,
      String(amount),
      String(onExpiryAmount),
      endsAtMs,
    ]),
  );
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
