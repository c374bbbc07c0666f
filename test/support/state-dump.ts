import { isLive } from "../../adapters/memory/reservation-table.ts";
import type { MemoryStateStore } from "../../adapters/memory/state-store.ts";

/** Everything later decisions depend on, in plain values that can be compared. */
export function dumpState(
  store: MemoryStateStore,
  principals: readonly string[],
  nowMs: number,
): unknown {
  const scopes: Record<string, unknown> = {};
  const runs: Record<string, unknown> = {};
  const unreported: Record<string, unknown> = {};
  const freezes: Record<string, unknown> = {};
  const grants: Record<string, unknown> = {};
  for (const [name, tenant] of store.tenants) {
    for (const [scope, { bornMs, inFlight, windows }] of tenant.scopes.scopes) {
      scopes[`${name}/${scope}`] = {
        bornMs,
        inFlight,
        windows: windows.map((window) => ({ ...window })),
      };
    }
    for (const [id, run] of tenant.runs.runs) {
      const fingerprints = Object.fromEntries(run.fingerprints);
      runs[`${name}/${id}`] = { fingerprints, spent: run.spent, steps: run.steps };
    }
    for (const principal of principals) {
      const endings = tenant.unreported(principal, nowMs);
      if (endings.ended > 0) unreported[`${name}/${principal}`] = endings;
    }
    if (tenant.freezes.size > 0) freezes[name] = Object.fromEntries(tenant.freezes);
    if (tenant.grants.size > 0) grants[name] = Object.fromEntries(tenant.grants);
  }
  const open = [...store.reservations.values()].filter(isLive).map((reservation) => {
    const { chargedNanoUsd, counted, costPicoUsd, deadlineMs, decision, digest, held, holds } =
      reservation;
    const { basis, idempotencyKey, marks, sequence, settled, state } = reservation;
    return {
      basis,
      chargedNanoUsd,
      costPicoUsd,
      counted,
      deadlineMs,
      decision,
      digest,
      held,
      // Where a rolling budget's window began matters to the admission only.
      holds: reservation.admitted ? holds.map((hold) => ({ ...hold, rolling: null })) : [],
      id: reservation.decisionId,
      idempotencyKey,
      marks,
      sequence,
      settled,
      state,
    };
  });
  return {
    freezes,
    grants,
    open: open.toSorted((one, other) => (one.id < other.id ? -1 : 1)),
    runs,
    scopes,
    unreported,
  };
}

/** Balances by instance, without those that never held anything. */
export async function dumpBalances(store: MemoryStateStore): Promise<Record<string, string>> {
  const balances: Record<string, string> = {};
  for (const { held, instance, settled } of await store.balances()) {
    if (held !== 0n || settled !== 0n) balances[instance] = `held ${held}, settled ${settled}`;
  }
  return balances;
}
