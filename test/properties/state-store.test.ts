import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { MemoryStateStore } from "../../adapters/memory/state-store.ts";
import type { Decision } from "../../engine/decision/decision.ts";
import { verifyLedger } from "../../engine/ledger/verify.ts";
import type { Hold, ReserveRequest } from "../../engine/reservation/reservation.ts";
import { planScopes } from "../../engine/velocity/scopes.ts";
import { EVERY_KIND } from "../support/budgets.ts";
import { openTestEngine, START_MS } from "../support/engine.ts";
import { Random, testSeed } from "../support/random.ts";
import { dumpBalances, dumpState } from "../support/state-dump.ts";
import { Traffic } from "../support/traffic.ts";
import { type ModelHold, type ModelReport, StateModel } from "./state-model.ts";

const WINDOW = { calls_min: 3, cold_micro_usd: 4, floor_micro_usd: 1, ratio_percent: 200 };
const SCOPES = planScopes({
  report_percent: 0,
  scopes: { team: { windows: { "1h": WINDOW, "1m": WINDOW, "1s": WINDOW } } },
}).kinds;

/** One step of a random history, applied to the store and to the model; both must answer alike. */
class History {
  readonly store = new MemoryStateStore();
  readonly model = new StateModel();
  readonly #random: Random;
  #nowMs = START_MS;
  /** The latest time at which something was reserved: a tenant's time never goes back. */
  #latestMs = 0;
  #count = 0;
  readonly #sent = new Map<string, ModelReport>();
  readonly seen = new Map<string, number>();

  constructor(random: Random) {
    this.#random = random;
  }

  async step(): Promise<void> {
    const random = this.#random;
    const roll = random.next();
    if (roll < 0.35) return this.#reserve();
    if (roll < 0.43) return this.#adjust();
    if (roll < 0.7) return this.#settle();
    if (roll < 0.8) return this.#release();
    if (roll < 0.87) return this.#expire();
    if (roll < 0.9) return this.#freeze();
    this.#nowMs += roll < 0.97 ? random.int(0, 4_000) : -random.int(0, 9_000);
    return undefined;
  }

  async compare(): Promise<void> {
    for (const { held, instance, settled } of await this.store.balances()) {
      expect({ held, instance, settled }).toEqual({ instance, ...this.model.balance(instance) });
    }
    const open = this.model.reservations.filter(({ phase }) => phase === "open").length;
    expect(await this.store.openReservations()).toBe(open);
    for (const [id, run] of this.store.tenant("acme").runs.runs) {
      const { spent, steps } = this.model.run(id);
      expect({ id, spent: BigInt(run.spent), steps: run.steps }).toEqual({ id, spent, steps });
    }
    for (const { inFlight } of this.store.tenant("acme").scopes.scopes.values()) {
      expect(inFlight).toBe(
        this.model.reservations.filter(({ held, phase }) => held && phase === "open").length,
      );
    }
  }

  #tally(what: string): void {
    this.seen.set(what, (this.seen.get(what) ?? 0) + 1);
  }

  #holds(): ModelHold[] {
    const random = this.#random;
    const amount = BigInt(random.int(0, 60));
    const onExpiry = random.pick([0n, 0n, amount, amount / 2n]);
    const kinds: ModelHold[] = [
      { amount, hard: true, instance: "acme|day", limit: 900n, onExpiry: 0n, unit: "nano_usd" },
      {
        amount,
        hard: true,
        instance: `acme|user|${random.int(1, 4)}`,
        limit: 250n,
        onExpiry,
        unit: "nano_usd",
      },
      {
        amount: amount / 2n,
        hard: false,
        instance: "acme|soft",
        limit: 90n,
        onExpiry: 0n,
        unit: "nano_usd",
      },
      { amount: 1n, hard: true, instance: "acme|calls", limit: 60n, onExpiry: 0n, unit: "calls" },
      {
        amount: amount * 3n,
        hard: false,
        instance: "acme|tokens",
        limit: 500n,
        onExpiry: 0n,
        unit: "tokens",
      },
      { amount, hard: true, instance: "acme|none", limit: 0n, onExpiry: 0n, unit: "nano_usd" },
    ];
    return kinds.filter(({ instance }) => random.chance(instance === "acme|none" ? 0.03 : 0.6));
  }

  async #reserve(): Promise<void> {
    const random = this.#random;
    const repeated = this.#count > 0 && random.chance(0.15);
    const number = repeated ? random.int(1, this.#count) : (this.#count += 1);
    const known = repeated
      ? this.model.reservations.find(({ key }) => key === `k${number}`)
      : undefined;
    const content =
      known === undefined || random.chance(0.2) ? `c${random.int(1, 9)}` : known.content;
    const holds = this.#holds();
    const cost = BigInt(random.int(0, 40));
    const run = random.chance(0.4) ? `run-${random.int(1, 4)}` : "";
    const id = `d${number}${repeated ? `again${this.model.reservations.length}` : ""}`;
    const force = random.chance(0.05);
    if (!repeated) this.#latestMs = Math.max(this.#latestMs, this.#nowMs);
    const deadlineMs = this.#nowMs + random.int(500, 9_000);
    const frozen = this.model.freezes.has("team:search");
    const before = this.model.run(run);
    const wanted = this.model.reserve(
      { content, deadlineMs, fingerprint: "f", id, key: `k${number}`, run },
      holds,
      cost,
      frozen,
      force,
    );
    const request: ReserveRequest = {
      contentDigest: content,
      costNanoUsd: Number(cost),
      deadlineMs,
      decisionId: id,
      force,
      freezeScopes: ["*", "team:search"],
      holds: holds.map(holdOf),
      idempotencyKey: `k${number}`,
      isRetry: random.chance(0.1),
      nowMs: this.#nowMs,
      principal: "p",
      run: run === "" ? null : { fingerprint: "f", id: run },
      scopes: SCOPES.map((planned) => ({ ...planned, scope: `${planned.kind}:search` })),
      tenant: "acme",
    };
    const reply = await this.store.reserve(request);
    this.#tally(`reserve ${reply.kind}`);
    expect(reply.kind).toBe(wanted.kind);
    if (reply.kind !== "reserved") return;
    this.#tally(reply.held ? "held" : "not held");
    const { forced, held, nowMs, snapshot } = reply;
    expect({ forced, held }).toEqual({ forced: wanted.forced, held: wanted.held });
    expect(snapshot.budgets.map(({ fits }) => fits)).toEqual(wanted.fits);
    expect(nowMs).toBe(this.#latestMs);
    if (run !== "")
      expect(snapshot.run).toMatchObject({
        spentNanoUsd: Number(before.spent),
        steps: before.steps,
      });
    if (random.chance(0.85)) await this.#conclude(id);
    else {
      // Still being judged: another model may be tried before the decision is made.
      await this.#adjustOne(id);
      await this.#conclude(id);
    }
  }

  async #conclude(id: string): Promise<void> {
    const { effect } = this.model.find(id);
    await this.store.conclude(id, {
      decidedAtMs: this.#latestMs,
      effect,
      id,
      retryAfterMs: 0,
    } as Decision);
    if (effect === "allow") return;
    this.model.release(id);
    expect((await this.store.release(id, this.#latestMs)).ended).toBe(true);
  }

  async #adjust(): Promise<void> {
    const reservation = this.model.reservations.at(-1);
    if (reservation === undefined || reservation.phase !== "open" || reservation.sequence > 0)
      return;
    await this.#adjustOne(reservation.id);
    await this.#conclude(reservation.id);
  }

  async #adjustOne(id: string): Promise<void> {
    const holds = this.#holds();
    const cost = BigInt(this.#random.int(0, 40));
    const wanted = this.model.adjust(id, holds, cost);
    const { held, snapshot } = await this.store.adjust({
      costNanoUsd: Number(cost),
      decisionId: id,
      freezeScopes: [],
      holds: holds.map(holdOf),
      nowMs: this.#latestMs,
      scopes: SCOPES.map((planned) => ({ ...planned, scope: `${planned.kind}:search` })),
      tenant: "acme",
    });
    this.#tally("adjust");
    expect({ fits: snapshot.budgets.map(({ fits }) => fits), held }).toEqual(wanted);
  }

  async #settle(): Promise<void> {
    const random = this.#random;
    const reservation = this.#some();
    const id = reservation?.id ?? "d-none";
    const earlier = this.#sent.get(id);
    const repeat = earlier !== undefined && random.chance(0.2);
    const charged = BigInt(random.int(0, 120));
    const report: ModelReport = repeat
      ? earlier
      : {
          basis: random.chance(0.3) ? "estimated" : "provider",
          charged,
          digest: `x${random.int(1, 1_000_000)}`,
          final: random.chance(0.5),
          sequence: Math.max(1, (reservation?.sequence ?? 0) + random.int(-1, 2)),
          tokens: BigInt(random.int(0, 300)),
        };
    const before =
      reservation === undefined
        ? []
        : reservation.holds.map(({ instance }) => this.model.balance(instance));
    const wanted = this.model.settle(id, report);
    const reply = await this.store.settle({
      basis: report.basis,
      chargedNanoUsd: report.charged,
      costPicoUsd: report.charged * 1_000n,
      decisionId: id,
      digest: report.digest,
      final: report.final,
      nowMs: this.#nowMs,
      sequence: report.sequence,
      tokens: report.tokens,
    });
    this.#tally(`settle ${reply.status}`);
    expect(reply.status).toBe(wanted);
    if (["posted", "settled", "corrected"].includes(wanted)) this.#sent.set(id, report);
    reservation?.holds.forEach(({ instance }, index) => {
      const after = this.model.balance(instance);
      const posting = reply.postings.find((posted) => posted.instance === instance);
      expect({ held: posting?.heldDelta ?? 0n, settled: posting?.settledDelta ?? 0n }).toEqual({
        held: after.held - (before[index]?.held ?? 0n),
        settled: after.settled - (before[index]?.settled ?? 0n),
      });
    });
  }

  async #release(): Promise<void> {
    const id = this.#some()?.id ?? "d-none";
    const wanted = this.model.release(id);
    const end = await this.store.release(id, this.#nowMs);
    this.#tally(`release ${end.state}`);
    expect(end.ended).toBe(wanted);
  }

  async #expire(): Promise<void> {
    const ends = await this.store.expire(this.#nowMs, this.#random.int(1, 20));
    for (const { decisionId, ended, state } of ends) {
      const reservation = this.model.find(decisionId);
      // Never early, never twice.
      expect({ ended, phase: reservation.phase, state }).toEqual({
        ended: true,
        phase: "open",
        state: "expired",
      });
      expect(reservation.deadlineMs).toBeLessThanOrEqual(this.#nowMs);
      this.model.expire(decisionId);
      this.#tally("expired");
    }
  }

  async #freeze(): Promise<void> {
    if (this.model.freezes.delete("team:search")) await this.store.unfreeze("acme", "team:search");
    else {
      this.model.freezes.add("team:search");
      await this.store.freeze("acme", { reason: "test", scope: "team:search" });
    }
  }

  #some() {
    const { reservations } = this.model;
    const first = Math.max(0, reservations.length - 15);
    return reservations.length === 0 || this.#random.chance(0.02)
      ? undefined
      : reservations[this.#random.int(first, reservations.length - 1)];
  }
}

function holdOf(hold: ModelHold): Hold {
  const { amount, instance, limit, onExpiry, unit } = hold;
  return {
    amount,
    budget: instance,
    endsAtMs: 0,
    instance,
    limit,
    mode: hold.hard ? "hard" : "soft",
    onExpiryAmount: onExpiry,
    unit,
  };
}

describe("the memory store against a plain model", () => {
  const seed = testSeed("state store");

  test("random histories, 20,000 steps and more, are answered alike", async () => {
    const seen = new Map<string, number>();
    let steps = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.nat(),
        fc.integer({ max: 220, min: 150 }),
        async (historySeed, length) => {
          const history = new History(new Random(historySeed));
          for (let step = 1; step <= length; step += 1) {
            await history.step();
            if (step % 10 === 0 || step === length) await history.compare();
          }
          steps += length;
          for (const [what, count] of history.seen) seen.set(what, (seen.get(what) ?? 0) + count);
        },
      ),
      { numRuns: 130, seed },
    );
    expect(steps).toBeGreaterThanOrEqual(20_000);
    for (const what of [
      "reserve replay",
      "reserve conflict",
      "reserve finished",
      "adjust",
      "not held",
      "expired",
    ]) {
      expect(seen.get(what) ?? 0, what).toBeGreaterThan(50);
    }
    for (const status of [
      "posted",
      "settled",
      "corrected",
      "duplicate",
      "superseded",
      "conflict",
      "unknown",
    ]) {
      expect(seen.get(`settle ${status}`) ?? 0, status).toBeGreaterThan(20);
    }
  });
});

describe("the whole engine: the state is what the log says", () => {
  const seed = testSeed("rebuilt state");

  test.each([1, 2, 3, 4, 5, 6, 7, 8])(
    "history %i, killed and rebuilt six times on the way",
    async (history) => {
      const random = new Random(seed + history);
      let engine = await openTestEngine({
        data: { budgets: EVERY_KIND },
        seed: `${seed}:${history}`,
      });
      for (let part = 0; part < 6; part += 1) {
        const traffic = new Traffic(engine, random, { prefix: `p${part}-` });
        await traffic.run(45);
        await engine.weir.idle();
        const live = dumpState(engine.store, ["local"], engine.clock.nowMs());
        const balances = await dumpBalances(engine.store);
        const open = await engine.store.openReservations();
        const check = verifyLedger(engine.lines(), await engine.store.balances());
        expect(check.problems, `seed ${seed}, part ${part}`).toEqual([]);
        const rebuilt = await engine.openCopy();
        await engine.close();
        engine = rebuilt;
        expect(rebuilt.recovery.differences, `seed ${seed}, part ${part}`).toEqual([]);
        expect(await dumpBalances(rebuilt.store), `seed ${seed}, part ${part}`).toEqual(balances);
        expect(await rebuilt.store.openReservations(), `seed ${seed}, part ${part}`).toBe(open);
        expect(
          dumpState(rebuilt.store, ["local"], rebuilt.clock.nowMs()),
          `seed ${seed}, part ${part}`,
        ).toEqual(live);
      }
      await engine.close();
    },
  );
});
