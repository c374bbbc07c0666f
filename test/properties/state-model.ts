/**
 * A plain model of budgets, reservations, runs and idempotency, written from the specification alone:
 * lists, loops and sums, nothing incremental.
 */
export interface ModelHold {
  readonly instance: string;
  readonly unit: "nano_usd" | "tokens" | "calls";
  readonly hard: boolean;
  readonly limit: bigint;
  readonly amount: bigint;
  readonly onExpiry: bigint;
}

export interface ModelReservation {
  readonly id: string;
  readonly key: string;
  readonly content: string;
  readonly deadlineMs: number;
  readonly run: string;
  readonly fingerprint: string;
  phase: "open" | "settled" | "released" | "expired";
  held: boolean;
  readonly asked: readonly ModelHold[];
  holds: readonly ModelHold[];
  /** Cost counted by the run. */
  counted: bigint;
  effect: "allow" | "block";
  sequence: number;
  digest: string;
  basis: "provider" | "estimated";
  charged: bigint;
  tokens: bigint;
  /** What expiry charged per hold. */
  expiryCharged: boolean;
}

export interface ModelReport {
  readonly sequence: number;
  readonly digest: string;
  readonly final: boolean;
  readonly basis: "provider" | "estimated";
  readonly charged: bigint;
  readonly tokens: bigint;
}

export class StateModel {
  readonly reservations: ModelReservation[] = [];
  readonly freezes = new Set<string>();

  /** What is held and settled on an instance: summed over every reservation, each time. */
  balance(instance: string): { readonly held: bigint; readonly settled: bigint } {
    let held = 0n;
    let settled = 0n;
    for (const reservation of this.reservations) {
      for (const hold of reservation.holds) {
        if (hold.instance !== instance) continue;
        const charge = this.#settledOn(reservation, hold);
        settled += charge;
        if (reservation.held && reservation.phase === "open")
          held += larger(0n, hold.amount - this.#highest(reservation, hold, charge));
      }
    }
    return { held, settled };
  }

  fits(holds: readonly ModelHold[]): boolean[] {
    return holds.map((hold) => {
      const { held, settled } = this.balance(hold.instance);
      return hold.amount === 0n || held + settled + hold.amount <= hold.limit;
    });
  }

  run(id: string): { readonly steps: number; readonly spent: bigint } {
    let steps = 0;
    let spent = 0n;
    for (const reservation of this.reservations) {
      if (reservation.run !== id) continue;
      // A step that was released unreported was not made, but a late report of it still costs.
      const made = reservation.phase !== "released" || this.#reportedBeforeEnd.has(reservation.id);
      if (reservation.held && made) steps += 1;
      spent += reservation.counted;
    }
    return { spent, steps };
  }

  readonly #reportedBeforeEnd = new Set<string>();
  /** Most that was ever settled on a hold while open: held money that became settled stays so. */
  readonly #peaks = new Map<string, bigint>();

  reserve(
    reservation: Pick<
      ModelReservation,
      "id" | "key" | "content" | "deadlineMs" | "run" | "fingerprint"
    >,
    holds: readonly ModelHold[],
    cost: bigint,
    frozen: boolean,
    force: boolean,
  ): {
    readonly kind: string;
    readonly held?: boolean;
    readonly forced?: boolean;
    readonly fits?: boolean[];
  } {
    const earlier = this.reservations.findLast(({ key }) => key === reservation.key);
    if (earlier !== undefined) {
      if (earlier.content !== reservation.content) return { kind: "conflict" };
      if (earlier.effect === "block" || earlier.phase === "open") return { kind: "replay" };
      return { kind: "finished" };
    }
    const fits = this.fits(holds);
    const allFit = holds.every((hold, index) => !hold.hard || fits[index] === true);
    const held = !frozen && (allFit || force);
    this.reservations.push({
      ...reservation,
      asked: holds,
      basis: "estimated",
      charged: 0n,
      counted: held ? cost : 0n,
      digest: "",
      effect: held ? "allow" : "block",
      expiryCharged: false,
      held,
      holds,
      phase: "open",
      sequence: 0,
      tokens: 0n,
    });
    return { fits, forced: held && !allFit, held, kind: "reserved" };
  }

  adjust(
    id: string,
    holds: readonly ModelHold[],
    cost: bigint,
  ): { readonly held: boolean; readonly fits: boolean[] } {
    const reservation = this.find(id);
    reservation.held = false;
    const fits = this.fits(holds);
    reservation.held = holds.every((hold, index) => !hold.hard || fits[index] === true);
    // A call that could not be held falls under the budgets of the model it asked for.
    reservation.holds = reservation.held ? holds : reservation.asked;
    reservation.counted = reservation.held ? cost : 0n;
    reservation.effect = reservation.held ? "allow" : "block";
    return { fits, held: reservation.held };
  }

  release(id: string): boolean {
    const reservation = this.reservations.find((known) => known.id === id);
    if (reservation === undefined || reservation.phase !== "open") return false;
    reservation.phase = "released";
    if (reservation.sequence > 0) this.#reportedBeforeEnd.add(id);
    else reservation.counted = 0n;
    return true;
  }

  expire(id: string): void {
    const reservation = this.find(id);
    reservation.phase = "expired";
    if (reservation.sequence > 0) return;
    reservation.expiryCharged = true;
    let charge = 0n;
    for (const hold of reservation.holds)
      if (hold.unit === "nano_usd") charge = larger(charge, hold.onExpiry);
    reservation.counted = charge;
  }

  settle(id: string, report: ModelReport): string {
    const reservation = this.reservations.find((known) => known.id === id);
    if (reservation === undefined) return "unknown";
    if (report.sequence < reservation.sequence) return "superseded";
    if (report.sequence === reservation.sequence) {
      return report.digest === reservation.digest ? "duplicate" : "conflict";
    }
    if (
      reservation.sequence > 0 &&
      reservation.basis === "provider" &&
      report.basis === "estimated"
    )
      return "superseded";
    const open = reservation.phase === "open";
    reservation.sequence = report.sequence;
    reservation.digest = report.digest;
    reservation.basis = report.basis;
    reservation.charged = report.charged;
    reservation.tokens = report.tokens;
    reservation.counted = report.charged;
    if (open) {
      for (const hold of reservation.holds) {
        const key = `${id} ${hold.instance}`;
        this.#peaks.set(
          key,
          larger(this.#peaks.get(key) ?? 0n, this.#settledOn(reservation, hold)),
        );
      }
    }
    if (open && report.final) reservation.phase = "settled";
    return open ? (report.final ? "settled" : "posted") : "corrected";
  }

  find(id: string): ModelReservation {
    const found = this.reservations.find((known) => known.id === id);
    if (found === undefined) throw new Error(`the model does not know ${id}`);
    return found;
  }

  #settledOn(reservation: ModelReservation, hold: ModelHold): bigint {
    if (reservation.sequence === 0)
      return reservation.expiryCharged && reservation.held ? hold.onExpiry : 0n;
    switch (hold.unit) {
      case "nano_usd":
        return reservation.charged;
      case "tokens":
        return reservation.tokens;
      case "calls":
        return 1n;
    }
  }

  #highest(reservation: ModelReservation, hold: ModelHold, charge: bigint): bigint {
    return larger(charge, this.#peaks.get(`${reservation.id} ${hold.instance}`) ?? 0n);
  }
}

function larger(one: bigint, other: bigint): bigint {
  return one > other ? one : other;
}
