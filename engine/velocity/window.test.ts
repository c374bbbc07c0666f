import { describe, expect, test } from "vitest";

import type { WindowParameters } from "../reservation/reservation.ts";
import {
  chargeWindow,
  correctWindow,
  countAttempt,
  freshWindow,
  judgeWindow,
  mulDiv,
  rollWindow,
  VELOCITY_AGE_MS,
  type WindowState,
} from "./window.ts";

const SEED = Number(process.env["WEIR_TEST_SEED"] ?? 20_261_125);
console.info(`velocity: seed ${SEED} (set WEIR_TEST_SEED to change it)`);

/** A stream of numbers in [0, 1) that the seed repeats. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    const mixed = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) >>> 0;
    return ((mixed ^ (mixed >>> 13)) >>> 0) / 4_294_967_296;
  };
}

// The same algorithm once more, in exact integers and with the names of its description, so that a
// slip in one is a difference.
interface Reference {
  w: bigint;
  c: bigint;
  p: bigint;
  nc: bigint;
  np: bigint;
  mc: bigint;
  mp: bigint;
  q: bigint;
  n: bigint;
  d: boolean;
  h: boolean;
}

interface Parameters {
  readonly W: bigint;
  readonly floor: bigint;
  readonly cold: bigint;
  readonly ratio: bigint;
  readonly minCalls: bigint;
  readonly need: bigint;
  readonly upDiv: bigint;
  readonly hotDiv: bigint;
  readonly gapDen: bigint;
  readonly leave: bigint;
}

const least = (one: bigint, other: bigint): bigint => (one < other ? one : other);
const most = (one: bigint, other: bigint): bigint => (one > other ? one : other);
const share = (p: Parameters, now: bigint): bigint => ((p.W - (now % p.W)) * 1024n) / p.W;
const weighted = (current: bigint, before: bigint, s: bigint): bigint =>
  current + (before * s) / 1024n;

function fresh(): Reference {
  return { c: 0n, d: false, h: false, mc: 0n, mp: 0n, n: 0n, nc: 0n, np: 0n, p: 0n, q: 0n, w: -1n };
}

function roll(s: Reference, p: Parameters, now: bigint): void {
  const index = now / p.W;
  if (s.w < 0n) s.w = index;
  if (index <= s.w) return;
  const gap = index - s.w;
  if (s.c > 0n) train(s, p, s.c);
  if (gap > 1n) s.q -= (s.q * least(gap - 1n, p.gapDen / 2n)) / p.gapDen;
  if (gap === 1n) [s.p, s.np, s.mp] = [s.c, s.nc, s.mc];
  else [s.p, s.np, s.mp] = [0n, 0n, 0n];
  [s.c, s.nc, s.mc, s.d, s.w] = [0n, 0n, 0n, false, index];
}

function train(s: Reference, p: Parameters, cost: bigint): void {
  let x = cost;
  if (s.n < p.need) x = least(x, p.cold);
  else if (s.d) {
    if (x > s.q) s.q += least(x - s.q, s.q / p.hotDiv);
    return;
  }
  if (s.n >= 5n) x = least(x, 2n * most(s.q, (p.floor * 100n) / p.ratio));
  s.n += 1n;
  if (s.n < 20n) s.q = most(s.q, x);
  else if (x > s.q) s.q += least(x - s.q, s.q / p.upDiv + 1n);
  else s.q -= s.q / p.upDiv / 99n;
}

function judge(s: Reference, p: Parameters, now: bigint, ageMs: number) {
  const young = ageMs < 24 * 3_600_000 || s.n < p.need;
  const limit = young ? p.cold : most(p.floor, (s.q * p.ratio) / 100n);
  const part = share(p, now);
  const rate = weighted(s.c, s.p, part);
  const top = most(s.mc, (s.mp * part) / 1024n);
  const calls = weighted(s.nc, s.np, part);
  if (s.h) {
    if (rate < (limit * p.leave) / 100n) s.h = false;
  } else if (rate - top >= limit && calls >= p.minCalls) s.h = true;
  if (s.h) s.d = true;
  return { calls, hot: s.h, limit, rate };
}

function correct(s: Reference, index: bigint, delta: bigint, calls: bigint): void {
  if (index === s.w) [s.c, s.nc] = [most(0n, s.c + delta), most(0n, s.nc + calls)];
  else if (index === s.w - 1n) [s.p, s.np] = [most(0n, s.p + delta), most(0n, s.np + calls)];
}

const SECOND: WindowParameters = {
  callsMin: 10,
  cold: 2_500_000_000,
  floor: 250_000_000,
  gapDen: 2 ** 19,
  hotDiv: 8_192,
  leavePercent: 70,
  name: "1s",
  need: 60,
  ratioPercent: 300,
  upDiv: 16,
  windowMs: 1_000,
};
const MINUTE: WindowParameters = {
  ...SECOND,
  callsMin: 5,
  cold: 5_000_000_000,
  floor: 500_000_000,
  gapDen: 2 ** 13,
  hotDiv: 256,
  name: "1m",
  ratioPercent: 200,
  windowMs: 60_000,
};
const HOUR: WindowParameters = {
  ...MINUTE,
  callsMin: 10,
  cold: 50_000_000_000,
  floor: 5_000_000_000,
  gapDen: 2 ** 7,
  hotDiv: 8,
  name: "1h",
  need: 24,
  upDiv: 8,
  windowMs: 3_600_000,
};

function exact(p: WindowParameters): Parameters {
  return {
    W: BigInt(p.windowMs),
    cold: BigInt(p.cold),
    floor: BigInt(p.floor),
    gapDen: BigInt(p.gapDen),
    hotDiv: BigInt(p.hotDiv),
    leave: BigInt(p.leavePercent),
    minCalls: BigInt(p.callsMin),
    need: BigInt(p.need),
    ratio: BigInt(p.ratioPercent),
    upDiv: BigInt(p.upDiv),
  };
}

const START = Date.UTC(2026, 10, 25);

function expectSame(state: WindowState, reference: Reference, where: string): void {
  const { c, d, h, mc, mp, n, nc, np, p, q, w } = reference;
  const found = {
    c: state.cost,
    d: state.wasHot,
    h: state.hot,
    mc: state.largest,
    mp: state.largestBefore,
    n: state.learnt,
    nc: state.calls,
    np: state.callsBefore,
    p: state.costBefore,
    q: state.quantile,
    w: state.index,
  };
  const wanted = Object.fromEntries(
    Object.entries({ c, d, h, mc, mp, n, nc, np, p, q, w }).map(([key, value]) => [
      key,
      typeof value === "bigint" ? Number(value) : value,
    ]),
  );
  expect(found, where).toEqual(wanted);
}

describe("against the reference", () => {
  test.each([SECOND, MINUTE, HOUR])(
    "$name: 12,000 random steps, every figure alike",
    (parameters) => {
      const random = randomFrom(SEED + parameters.windowMs);
      let hot = 0;
      let armed = 0;
      for (let history = 0; history < 6; history += 1) {
        const state = freshWindow();
        const reference = fresh();
        const p = exact(parameters);
        let now = START;
        const born = history % 2 === 0 ? now - VELOCITY_AGE_MS : now;
        const charged: [index: number, cost: number][] = [];
        for (let step = 0; step < 2_000; step += 1) {
          const roll_ = random();
          const busy = step % 400 > 320;
          if (roll_ < 0.02) now -= Math.floor(random() * 2 * parameters.windowMs);
          else if (roll_ < 0.03) now += Math.floor(random() ** 2 * 200 * parameters.windowMs);
          else now += Math.floor(random() * (busy ? 0.02 : 0.4) * parameters.windowMs);
          rollWindow(state, parameters, now);
          roll(reference, p, BigInt(now));
          const judged = judgeWindow(state, parameters, now, now - born);
          const wanted = judge(reference, p, BigInt(now), now - born);
          const where = `seed ${SEED}, history ${history}, step ${step}`;
          expect(
            { calls: judged.calls, hot: judged.hot, limit: judged.limit, rate: judged.rate },
            where,
          ).toEqual({
            calls: Number(wanted.calls),
            hot: wanted.hot,
            limit: Number(wanted.limit),
            rate: Number(wanted.rate),
          });
          if (judged.hot) hot += 1;
          if (judged.armed) armed += 1;
          if (random() < 0.15 && charged.length > 0) {
            const [index, cost] = charged[Math.floor(random() * charged.length)] as [
              number,
              number,
            ];
            const released = random() < 0.5;
            const delta = released ? -cost : Math.floor((random() - 0.5) * 3 * cost);
            correctWindow(state, index, delta, released ? -1 : 0);
            correct(reference, BigInt(index), BigInt(delta), released ? -1n : 0n);
          } else {
            const scale = random() < 0.02 ? 20 : 1;
            const cost = Math.floor(random() ** 3 * scale * (busy ? 2 : 0.4) * parameters.floor);
            chargeWindow(state, cost);
            reference.c += BigInt(cost);
            reference.nc += 1n;
            reference.mc = most(reference.mc, BigInt(cost));
            charged.push([state.index, cost]);
            if (charged.length > 30) charged.shift();
          }
          expectSame(state, reference, where);
        }
      }
      expect(hot).toBeGreaterThan(100);
      if (parameters !== HOUR) expect(armed).toBeGreaterThan(1_000);
    },
  );

  test("mulDiv is the exact floor for every x below 2^53 and factors as large as are used", () => {
    const random = randomFrom(SEED);
    for (let count = 0; count < 20_000; count += 1) {
      const x =
        Math.floor(random() * Number.MAX_SAFE_INTEGER) >>> 0 === 0
          ? 1
          : Math.floor(random() * 2 ** 53);
      const denominator = 1 + Math.floor(random() * 2 ** 20);
      const numerator = Math.floor(random() * (denominator + 1));
      expect(mulDiv(x, numerator, denominator)).toBe(
        Number((BigInt(x) * BigInt(numerator)) / BigInt(denominator)),
      );
    }
  });

  test("a window saturates below 2^53 and stays an integer", () => {
    const state = freshWindow();
    rollWindow(state, HOUR, START);
    for (let count = 0; count < 3; count += 1) chargeWindow(state, 6_000_000_000_000_000);
    expect(state.cost).toBe(Number.MAX_SAFE_INTEGER);
    rollWindow(state, HOUR, START + HOUR.windowMs);
    chargeWindow(state, 1);
    expect(Number.isSafeInteger(state.quantile)).toBe(true);
  });
});

/** A window that has learnt a steady spend of `perWindow` for a day and more. */
function taught(
  p: WindowParameters,
  perWindow: number,
  windows = 200,
): { state: WindowState; now: number } {
  const state = freshWindow();
  let now = START;
  for (let count = 0; count < windows; count += 1) {
    rollWindow(state, p, now);
    for (let call = 0; call < 10; call += 1) chargeWindow(state, Math.floor(perWindow / 10));
    now += p.windowMs;
  }
  rollWindow(state, p, now);
  return { now, state };
}

describe("when it trips", () => {
  const OLD = VELOCITY_AGE_MS;

  test("never on the first call, however large", () => {
    for (const p of [SECOND, MINUTE, HOUR]) {
      const state = freshWindow();
      rollWindow(state, p, START);
      expect(judgeWindow(state, p, START, 0).hot).toBe(false);
      chargeWindow(state, 1_000_000_000_000);
      expect(judgeWindow(state, p, START + 1, 1).hot).toBe(false);
      chargeWindow(state, 1);
      expect(judgeWindow(state, p, START + 2, 2).hot).toBe(false);
    }
  });

  test("never on the first calls after idling, large ones among them", () => {
    for (const p of [SECOND, MINUTE, HOUR]) {
      const { now, state } = taught(p, p.floor);
      for (const idle of [1, 2, 3, 10, 1_000]) {
        let later = now + idle * 50 * p.windowMs;
        for (let call = 0; call < p.callsMin - 1; call += 1) {
          rollWindow(state, p, later);
          expect(judgeWindow(state, p, later, OLD).hot).toBe(false);
          chargeWindow(state, call === 0 ? p.floor * 30 : Math.floor(p.floor / 20));
          later += 1;
        }
      }
    }
  });

  test("not at the edge of a window: the same steady spend stays the same rate", () => {
    for (const p of [MINUTE, HOUR]) {
      const { now, state } = taught(p, p.floor);
      const step = p.windowMs / 20;
      for (let at = now; at < now + 5 * p.windowMs; at += step) {
        rollWindow(state, p, at - 1);
        expect(judgeWindow(state, p, at - 1, OLD).hot).toBe(false);
        rollWindow(state, p, at);
        expect(judgeWindow(state, p, at, OLD).hot).toBe(false);
        chargeWindow(state, Math.floor(p.floor / 20));
      }
    }
  });

  test("not on a clock that steps back, which moves nothing", () => {
    const { now, state } = taught(MINUTE, MINUTE.floor);
    for (const back of [1, 1_000, 59_999, 60_000, 3_600_000, now]) {
      const before = { ...state };
      rollWindow(state, MINUTE, now - back);
      expect(state).toEqual(before);
      expect(judgeWindow(state, MINUTE, now - back, OLD).hot).toBe(false);
    }
  });

  test("on a burst of many calls far above its baseline, and leaves below 70 %", () => {
    const { now, state } = taught(MINUTE, 2 * MINUTE.floor);
    const cost = Math.floor(MINUTE.floor / 4);
    let calls = 0;
    while (!judgeWindow(state, MINUTE, now + 1, OLD).hot) {
      chargeWindow(state, cost);
      calls += 1;
      expect(calls).toBeLessThan(100);
    }
    expect(calls).toBeGreaterThan(5);
    const { limit, retryAfterMs } = judgeWindow(state, MINUTE, now + 1, OLD);
    const early = now + retryAfterMs - 200;
    rollWindow(state, MINUTE, early);
    expect(judgeWindow(state, MINUTE, early, OLD).hot).toBe(true);
    const late = now + 1 + retryAfterMs;
    rollWindow(state, MINUTE, late);
    const after = judgeWindow(state, MINUTE, late, OLD);
    expect(after.hot).toBe(false);
    expect(after.rate).toBeLessThan(mulDiv(limit, 70, 100));
  });

  test("attempts alone never trip it, and roll with the windows", () => {
    const state = freshWindow();
    rollWindow(state, MINUTE, START);
    for (let count = 0; count < 10_000; count += 1) countAttempt(state, count % 4 === 0);
    expect(judgeWindow(state, MINUTE, START, OLD)).toMatchObject({
      attempts: 10_000,
      calls: 0,
      hot: false,
      retries: 2_500,
    });
    rollWindow(state, MINUTE, START + MINUTE.windowMs + MINUTE.windowMs / 2);
    expect(judgeWindow(state, MINUTE, START + 1.5 * MINUTE.windowMs, OLD)).toMatchObject({
      attempts: 5_000,
      retries: 1_250,
    });
    rollWindow(state, MINUTE, START + 3 * MINUTE.windowMs);
    expect(judgeWindow(state, MINUTE, START + 3 * MINUTE.windowMs, OLD)).toMatchObject({
      attempts: 0,
      retries: 0,
    });
  });

  test("a burst is not learnt fast: ten times the baseline for ten windows moves it by little", () => {
    const { now, state } = taught(MINUTE, 2 * MINUTE.floor);
    const before = state.quantile;
    for (let count = 0; count < 10; count += 1) {
      const at = now + count * MINUTE.windowMs;
      rollWindow(state, MINUTE, at);
      for (let call = 0; call < 50; call += 1)
        chargeWindow(state, Math.floor((2 * MINUTE.floor * 10) / 50));
      judgeWindow(state, MINUTE, at + 1_000, OLD);
    }
    expect(state.hot).toBe(true);
    expect(state.quantile).toBeLessThan(before * 1.05);
  });

  test("nor locked out for good: what stays is learnt within hours, hot all the while", () => {
    const { now, state } = taught(HOUR, 2 * HOUR.floor);
    let hours = 0;
    let hot = true;
    for (; hot && hours < 100; hours += 1) {
      const at = now + hours * HOUR.windowMs;
      rollWindow(state, HOUR, at);
      for (let call = 0; call < 100; call += 1)
        chargeWindow(state, Math.floor((HOUR.floor * 10) / 100));
      ({ hot } = judgeWindow(state, HOUR, at + HOUR.windowMs - 1, OLD));
    }
    expect(hours).toBeGreaterThan(3);
    expect(hours).toBeLessThan(24);
  });

  test("until a day old and taught enough only the cold limit holds", () => {
    const { now, state } = taught(MINUTE, MINUTE.floor);
    expect(judgeWindow(state, MINUTE, now, OLD - 1)).toMatchObject({
      armed: false,
      limit: MINUTE.cold,
    });
    expect(judgeWindow(state, MINUTE, now, OLD)).toMatchObject({ armed: true });
    const young = taught(MINUTE, MINUTE.floor, MINUTE.need - 1);
    expect(judgeWindow(young.state, MINUTE, young.now, OLD).armed).toBe(false);
    const shown = taught(MINUTE, MINUTE.floor, 4);
    expect(judgeWindow(shown.state, MINUTE, shown.now, OLD)).toMatchObject({
      baselineReady: false,
      percent: 0,
    });
    const ready = taught(MINUTE, MINUTE.floor, 5);
    expect(judgeWindow(ready.state, MINUTE, ready.now, OLD)).toMatchObject({
      baselineReady: true,
      percent: 100,
    });
  });
});

describe("the time to retry after", () => {
  test.each([SECOND, MINUTE, HOUR])(
    "$name: at that time the rate is below the limit to leave, and hardly later",
    (p) => {
      const random = randomFrom(SEED + 1);
      let cases = 0;
      for (let count = 0; count < 6_000; count += 1) {
        const now = START + Math.floor(random() * 3 * p.windowMs);
        const state: WindowState = {
          ...freshWindow(),
          cost: Math.floor(random() * 3 * p.cold),
          costBefore: Math.floor(random() * 4 * p.cold),
          hot: true,
          index: Math.floor(now / p.windowMs),
        };
        const leave = mulDiv(p.cold, p.leavePercent, 100);
        const judged = judgeWindow({ ...state }, p, now, 0);
        if (!judged.hot) continue;
        cases += 1;
        const after = { ...state };
        const at = now + judged.retryAfterMs;
        rollWindow(after, p, at);
        const then = judgeWindow(after, p, at, 0);
        expect(then.rate, `seed ${SEED}, case ${count}`).toBeLessThan(leave);
        expect(then.hot).toBe(false);
        expect(judged.retryAfterMs).toBeGreaterThan(0);
        expect(judged.retryAfterMs).toBeLessThanOrEqual(2 * p.windowMs);
        const early = { ...state };
        const before = at - Math.ceil(p.windowMs / 1_024) - 3;
        if (before <= now) continue;
        rollWindow(early, p, before);
        expect(
          judgeWindow(early, p, before, 0).rate,
          `seed ${SEED}, case ${count}`,
        ).toBeGreaterThanOrEqual(leave);
      }
      expect(cases).toBeGreaterThan(2_000);
    },
  );
});

describe("corrections", () => {
  test("reach the current and the previous window, never below zero, and none older", () => {
    const state = freshWindow();
    rollWindow(state, MINUTE, START);
    const first = state.index;
    chargeWindow(state, 100);
    rollWindow(state, MINUTE, START + MINUTE.windowMs);
    chargeWindow(state, 7);
    correctWindow(state, first, -40, -1);
    expect(state).toMatchObject({ callsBefore: 0, cost: 7, costBefore: 60 });
    correctWindow(state, first, -1_000, -5);
    correctWindow(state, first + 1, -1_000, -5);
    expect(state).toMatchObject({ calls: 0, callsBefore: 0, cost: 0, costBefore: 0 });
    correctWindow(state, first - 1, 99, 9);
    correctWindow(state, first + 2, 99, 9);
    expect(state).toMatchObject({ calls: 0, callsBefore: 0, cost: 0, costBefore: 0 });
  });
});
