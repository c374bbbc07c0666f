import type { Posting } from "../../engine/ledger/entry.ts";
import type { Balance } from "../../engine/ports.ts";
import type { BudgetSnapshot, Hold } from "../../engine/reservation/reservation.ts";

interface BalanceState {
  readonly budget: string;
  readonly unit: Hold["unit"];
  held: bigint;
  settled: bigint;
  /** When the window instance ends; 0: never. */
  endsAtMs: number;
  seenMs: number;
}

/** Budget instances: what is held and what is settled on each. */
export class BalanceTable {
  readonly #balances = new Map<string, BalanceState>();

  /** The world before the intent; a call that costs nothing fits any limit. */
  snapshot(holds: readonly Hold[]): readonly BudgetSnapshot[] {
    return holds.map((hold) => {
      const used = this.#used(hold);
      return { fits: hold.amount === 0n || used + hold.amount <= hold.limit, used };
    });
  }

  #used({ instance, rolling }: Hold): bigint {
    if (rolling === undefined) return this.#usedOn(instance);
    let used = 0n;
    for (let index = rolling.first; index <= rolling.last; index += 1) {
      used += this.#usedOn(`${rolling.base}${index}`);
    }
    return used;
  }

  #usedOn(instance: string): bigint {
    const balance = this.#balances.get(instance);
    return balance === undefined ? 0n : balance.held + balance.settled;
  }

  hold(holds: readonly Hold[], nowMs: number): void {
    for (const hold of holds) this.#change(hold, hold.amount, 0n, nowMs);
  }

  unhold(holds: readonly Hold[], nowMs: number): void {
    for (const hold of holds) this.#change(hold, -hold.amount, 0n, nowMs);
  }

  /** Applies one posting and returns it. */
  post(hold: Hold, heldDelta: bigint, settledDelta: bigint, nowMs: number): Posting {
    this.#change(hold, heldDelta, settledDelta, nowMs);
    return {
      budget: hold.budget,
      heldDelta,
      instance: hold.instance,
      settledDelta,
      unit: hold.unit,
    };
  }

  list(): readonly Balance[] {
    return [...this.#balances].map(([instance, { budget, held, settled, unit }]) => ({
      budget,
      held,
      instance,
      settled,
      unit,
    }));
  }

  /** Forgets instances that ended, or were last touched, before `beforeMs` and hold nothing. */
  forget(beforeMs: number): void {
    for (const [instance, balance] of this.#balances) {
      const lastMs = Math.max(balance.endsAtMs, balance.seenMs);
      if (lastMs < beforeMs && balance.held === 0n) this.#balances.delete(instance);
    }
  }

  #change(hold: Hold, heldDelta: bigint, settledDelta: bigint, nowMs: number): void {
    let balance = this.#balances.get(hold.instance);
    if (balance === undefined) {
      balance = {
        budget: hold.budget,
        endsAtMs: hold.endsAtMs,
        held: 0n,
        seenMs: nowMs,
        settled: 0n,
        unit: hold.unit,
      };
      this.#balances.set(hold.instance, balance);
    }
    balance.held += heldDelta;
    balance.settled += settledDelta;
    if (nowMs > balance.seenMs) balance.seenMs = nowMs;
  }
}
