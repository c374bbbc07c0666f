import { ScopeTable } from "../../memory/scope-table.ts";
import type { ScopeCharge, ScopeSnapshot } from "../../../engine/reservation/reservation.ts";
import type { LabCall } from "./weeks.ts";

/** What became of untouched traffic. */
export interface Untouched {
  readonly calls: number;
  readonly costNanoUsd: number;
  /** How often a window became hot, by kind of scope and window: "team 1m". */
  readonly trips: ReadonlyMap<string, number>;
  /** Calls that would have been refused. */
  readonly hotCalls: number;
}

/** Lets traffic pass through every scope, refusing nothing, and counts what becomes hot. */
export class OpenLoop {
  readonly scopes = new ScopeTable(undefined, Number.POSITIVE_INFINITY);
  readonly #trips = new Map<string, number>();
  readonly #hot = new Map<string, ReadonlySet<string>>();
  #calls = 0;
  #cost = 0;
  #hotCalls = 0;

  pass(calls: Iterable<LabCall>): void {
    for (const call of calls) {
      const charges = call.seat.scopes(call.model);
      const snapshots = this.scopes.snapshot(charges, call.atMs);
      this.#count(charges, snapshots);
      admit(this.scopes, charges, call.costNanoUsd, call.atMs);
      this.#calls += 1;
      this.#cost += call.costNanoUsd;
    }
  }

  get result(): Untouched {
    return {
      calls: this.#calls,
      costNanoUsd: this.#cost,
      hotCalls: this.#hotCalls,
      trips: this.#trips,
    };
  }

  #count(charges: readonly ScopeCharge[], snapshots: readonly ScopeSnapshot[]): void {
    let refused = false;
    snapshots.forEach((snapshot, index) => {
      const { kind, scope } = charges[index] as ScopeCharge;
      const before = this.#hot.get(scope);
      if (!isHot(snapshot)) {
        if (before !== undefined) this.#hot.delete(scope);
        return;
      }
      refused = true;
      const now = new Set(hotParts(snapshot));
      for (const name of now) {
        if (before?.has(name) === true) continue;
        const key = `${kind} ${name}`;
        this.#trips.set(key, (this.#trips.get(key) ?? 0) + 1);
      }
      this.#hot.set(scope, now);
    });
    if (refused) this.#hotCalls += 1;
  }
}

/** How a trouble ended. Money in nano-USD, above what the calls would have cost without it. */
export interface Outcome {
  /** From the trouble's first call to the first that was refused, ms; null: none was. */
  readonly foundMs: number | null;
  /** Scope and window that found it: "team 1m"; "" if none did. */
  readonly foundBy: string;
  /** Let through before it was found, or in all. */
  readonly leaked: number;
  /** Let through in all, of what would have passed without any control. */
  readonly passed: number;
  readonly uncontrolled: number;
}

/** The same in earnest, from a state that is left as it was: calls of hot scopes are refused. */
export function closedLoop(before: ScopeTable, calls: readonly LabCall[]): Outcome {
  const scopes = copy(before);
  let beganMs = -1;
  let foundMs: number | null = null;
  let foundBy = "";
  let [leaked, passed, uncontrolled] = [0, 0, 0];
  for (const { atMs, costNanoUsd, excessNanoUsd, model, seat } of calls) {
    const charges = seat.scopes(model);
    const snapshots = scopes.snapshot(charges, atMs);
    const hot = snapshots.findIndex(isHot);
    const isTrouble = excessNanoUsd > 0;
    if (isTrouble && beganMs < 0) beganMs = atMs;
    uncontrolled += excessNanoUsd;
    if (hot < 0) {
      admit(scopes, charges, costNanoUsd, atMs);
      passed += excessNanoUsd;
      if (foundMs === null) leaked += excessNanoUsd;
    } else if (isTrouble && foundMs === null) {
      foundMs = atMs - beganMs;
      const [window = ""] = hotParts(snapshots[hot] as ScopeSnapshot);
      foundBy = `${charges[hot]?.kind} ${window}`;
    }
  }
  return { foundBy, foundMs, leaked, passed, uncontrolled };
}

function admit(
  scopes: ScopeTable,
  charges: readonly ScopeCharge[],
  costNanoUsd: number,
  atMs: number,
): void {
  scopes.attempt(charges, false, true, atMs);
  // What is in flight is no part of this lab.
  scopes.land(scopes.charge(charges, costNanoUsd));
}

function isHot(snapshot: ScopeSnapshot): boolean {
  return snapshot.hot || snapshot.callCost.hot;
}

/** What of a scope is hot: "1s", "1m", "1h", "cost per call". */
function hotParts({ callCost, windows }: ScopeSnapshot): readonly string[] {
  const names = windows.filter(({ hot }) => hot).map(({ name }) => name as string);
  return callCost.hot ? [...names, "cost per call"] : names;
}

function copy(table: ScopeTable): ScopeTable {
  const copied = new ScopeTable(undefined, Number.POSITIVE_INFINITY);
  for (const [name, state] of table.scopes) copied.scopes.set(name, structuredClone(state));
  return copied;
}
