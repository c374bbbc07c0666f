import type { Freeze, Grant } from "../../engine/reservation/reservation.ts";
import { RunTable } from "./run-table.ts";
import { ScopeTable } from "./scope-table.ts";

const HOUR_MS = 3_600_000;

/** Reservations of one principal that ended in this hour and the one before. */
interface Endings {
  hour: number;
  ended: number;
  expired: number;
  endedBefore: number;
  expiredBefore: number;
}

/** What the store keeps of one tenant besides budgets and reservations. */
export class TenantState {
  readonly freezes = new Map<string, Freeze>();
  readonly scopes = new ScopeTable((scope) => this.freezes.has(scope));
  readonly runs = new RunTable();
  /** By budget and id. */
  readonly grants = new Map<string, Grant>();
  readonly #endings = new Map<string, Endings>();
  #latestMs = 0;

  /** Time of a tenant never goes back. */
  advance(nowMs: number): number {
    if (nowMs > this.#latestMs) this.#latestMs = nowMs;
    return this.#latestMs;
  }

  frozen(scopes: readonly string[]): readonly Freeze[] {
    if (this.freezes.size === 0) return NONE;
    const found: Freeze[] = [];
    for (const scope of scopes) {
      const freeze = this.freezes.get(scope);
      if (freeze !== undefined) found.push(freeze);
    }
    return found;
  }

  unreported(
    principal: string,
    nowMs: number,
  ): { readonly ended: number; readonly expired: number } {
    const kept = this.#endings.get(principal);
    if (kept === undefined) return NO_ENDINGS;
    // Looking rolls nothing.
    const endings = { ...kept };
    roll(endings, nowMs);
    return {
      ended: endings.ended + endings.endedBefore,
      expired: endings.expired + endings.expiredBefore,
    };
  }

  countEnding(principal: string, nowMs: number, expired: boolean): void {
    let endings = this.#endings.get(principal);
    if (endings === undefined) {
      const hour = Math.floor(nowMs / HOUR_MS);
      endings = { ended: 0, endedBefore: 0, expired: 0, expiredBefore: 0, hour };
      this.#endings.set(principal, endings);
    }
    roll(endings, nowMs);
    endings.ended += 1;
    if (expired) endings.expired += 1;
  }

  /** Forgets grants that ended, and scopes, runs and principals that were idle, before the given times. */
  forget(scopesBeforeMs: number, runsBeforeMs: number): void {
    for (const [key, { untilMs }] of this.grants)
      if (untilMs < runsBeforeMs) this.grants.delete(key);
    const { scopes } = this.scopes;
    for (const [name, state] of scopes) {
      if (state.seenMs < scopesBeforeMs && state.inFlight === 0) scopes.delete(name);
    }
    const { runs } = this.runs;
    for (const [id, run] of runs) if (run.seenMs < runsBeforeMs) runs.delete(id);
    for (const [principal, endings] of this.#endings) {
      if (endings.hour * HOUR_MS < runsBeforeMs) this.#endings.delete(principal);
    }
  }
}

const NONE: readonly Freeze[] = Object.freeze([]);
const NO_ENDINGS = Object.freeze({ ended: 0, expired: 0 });

function roll(endings: Endings, nowMs: number): void {
  const hour = Math.floor(nowMs / HOUR_MS);
  if (hour <= endings.hour) return;
  const adjacent = hour === endings.hour + 1;
  endings.endedBefore = adjacent ? endings.ended : 0;
  endings.expiredBefore = adjacent ? endings.expired : 0;
  endings.ended = 0;
  endings.expired = 0;
  endings.hour = hour;
}
