import type { PolicyInput } from "../engine/policy/input.ts";

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
type Path = readonly (string | number)[];

/** A policy input and whether a member that the rules need was taken from it. */
export interface Case {
  readonly input: Json;
  readonly broken: boolean;
}

/** Members no rule reads: a call without one is judged as usual. */
const UNREAD = new Set([
  "intent.labels",
  "intent.prompt",
  "intent.release",
  "intent.run.id",
  "intent.run.step",
  "intent.tokens.n",
  "context.velocity.call_cost.armed",
  "context.velocity.in_flight",
  "context.velocity.windows.armed",
  "context.velocity.windows.baseline_ready",
  "context.velocity.windows.calls",
  "context.budgets.on_state_loss",
  // A candidate that lacks something is not offered, and the engine judges the one it takes.
  "candidates.clearance",
  "candidates.cost_micro_usd",
  "candidates.model",
  "candidates.regions",
  "candidates.tier",
]);

/** Makes the same corpus every time: whole inputs, then inputs with one member missing or mistyped. */
export function makeCorpus(seed: number, wholes: number, breaks: number): readonly Case[] {
  const random = new Random(seed);
  const whole = Array.from({ length: wholes }, () => makeInput(random));
  const cases: Case[] = whole.map((input) => ({ input: input as unknown as Json, broken: false }));
  const everything = makeInput(new Random(seed), true) as unknown as Json;
  for (const path of listPaths(everything)) {
    if (!isRead(path)) continue;
    cases.push({ input: change(everything, path, undefined), broken: true });
    cases.push({ input: change(everything, path, mistype(everything, path)), broken: true });
  }
  for (let i = 0; i < breaks; i++) {
    const input = random.pick(whole) as unknown as Json;
    const path = random.pick(listPaths(input).filter(isRead));
    cases.push({
      input: change(input, path, random.pick([undefined, mistype(input, path)])),
      broken: true,
    });
  }
  for (const input of [{}, [], "x", 1, true, { intent: {} }, { intent: null }, { context: [] }]) {
    cases.push({ input, broken: true });
  }
  return cases;
}

function isRead(path: Path): boolean {
  const names = path.filter((step) => typeof step === "string");
  return !names.some((_, i) => UNREAD.has(names.slice(0, i + 1).join(".")));
}

/** Every member at every depth; members of lists of words are not single facts and stay out. */
function listPaths(value: Json, at: Path = []): readonly Path[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, member]) => {
    const step = Array.isArray(value) ? Number(key) : key;
    const path = [...at, step];
    const nested = listPaths(member as Json, path);
    return Array.isArray(value) ? nested : [path, ...nested];
  });
}

function change(value: Json, [step, ...rest]: Path, to: Json | undefined): Json {
  if (step === undefined) return to ?? null;
  const copy = structuredClone(value) as Record<string | number, Json>;
  if (rest.length > 0) copy[step] = change(copy[step] ?? null, rest, to);
  else if (to === undefined) delete copy[step];
  else copy[step] = to;
  return copy as Json;
}

/** Something of a type that the member never has. */
function mistype(value: Json, path: Path): Json {
  let member: Json = value;
  for (const step of path) member = (member as Record<string | number, Json>)[step] ?? null;
  return typeof member === "number" || member === null ? "7" : 7;
}

class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  below(limit: number): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((this.#state / 2 ** 32) * limit);
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)] as T;
  }

  /** The usual value, but once in a while one of the others. */
  mostly<T>(usual: T, ...others: readonly T[]): T {
    return this.once(14) ? this.pick(others) : usual;
  }

  /** True once in `times`. */
  once(times: number): boolean {
    return this.below(times) === 0;
  }

  some<T>(values: readonly T[], most: number): T[] {
    return Array.from({ length: this.below(most + 1) }, () => this.pick(values));
  }
}

/** Models of the configuration that the Rego tests share. */
const MODELS = ["acme:large", "acme:small", "vault:large"] as const;

/** An input of which most is in order; `full`: with something in every list, and a run. */
function makeInput(random: Random, full = false): PolicyInput {
  return {
    candidates: Array.from({ length: full ? 2 : random.below(4) }, () => ({
      clearance: random.pick(["internal", "confidential", "restricted"]),
      cost_micro_usd: random.below(40_000),
      model: random.pick(MODELS),
      regions: ["eu", ...random.some(["us", "ap"], 2)],
      tier: 1 + random.below(4),
    })),
    context: makeContext(random, full),
    facts: {
      cost_micro_usd: random.mostly(random.below(40_000), 6_000_000),
      fits_context: random.mostly<boolean>(true, false),
      flex_priced: random.once(2),
      known: random.mostly<boolean>(true, false),
      local_date: random.mostly("2026-11-25", "2027-01-01"),
      local_time: random.pick(["00:30", "05:59", "06:00", "21:59", "22:00"]),
      local_weekday: random.pick(["mon", "tue", "wed", "sun"]),
      output_tokens: random.below(9_000),
      priced: random.mostly<boolean>(true, false),
      tokens: random.below(200_000),
      unreported_calls: random.below(60),
      unreported_percent: random.mostly(5, 40),
    },
    intent: makeIntent(random),
    mode: random.pick(["enforce", "shadow"]),
    now_ms: 1_795_000_000_000,
  };
}

function makeContext(random: Random, full: boolean): PolicyInput["context"] {
  const lost = !full && random.once(14);
  const length = (): number => (full ? 2 : random.below(4));
  return {
    budgets: Array.from({ length: length() }, (_, i) => ({
      cost: random.below(40_000),
      fits: lost ? null : random.mostly<boolean>(true, false),
      id: `budget-${i}`,
      mode: random.mostly<"hard" | "soft">("hard", "soft"),
      on_state_loss: random.pick(["closed", "open"]),
      remaining: lost ? null : random.below(100_000) - 10_000,
      resets_in_ms: random.below(86_400_000),
      unit: random.mostly<"usd" | "tokens" | "calls">("usd", "tokens", "calls"),
      used_percent: lost ? null : random.below(101),
    })),
    freezes: full
      ? [{ reason: "incident", scope: "team:search" }]
      : random.mostly([], [{ reason: "", scope: "" }]),
    run:
      full || random.once(2)
        ? {
            children: random.mostly(0, 40),
            repeats: random.mostly(0, 9),
            siblings: random.mostly(2, 40),
            spent_micro_usd: random.mostly(40_000, 30_000_000),
            steps: random.once(3) ? 0 : random.mostly(3, 99),
          }
        : null,
    state: lost ? "unavailable" : random.pick(["fresh", "stale"]),
    velocity: Array.from({ length: length() }, (_, i) => ({
      call_cost:
        full || random.once(3)
          ? {
              armed: random.once(2),
              excess_micro_usd: random.below(2_000_000),
              hot: random.once(3),
              limit_micro_usd: random.below(1_000_000),
              retry_after_ms: random.below(2_000_000),
              usual_micro_usd: random.below(50_000),
            }
          : null,
      hot: random.mostly<boolean>(false, true),
      in_flight: random.below(9),
      kind: random.pick(["tenant", "team", "feature", "model"]),
      retry_after_ms: random.below(9_000),
      scope: `scope-${i}`,
      windows: Array.from({ length: length() }, () => ({
        armed: random.once(2),
        attempts: random.below(90),
        baseline_ready: random.once(2),
        calls: random.below(60),
        hot: random.once(3),
        limit_micro_usd: random.below(5_000_000),
        percent: random.below(900),
        rate_micro_usd: random.below(9_000_000),
        retry_percent: random.below(100),
        window: random.pick(["1s", "1m", "1h"]),
      })),
    })),
  };
}

function makeIntent(random: Random): PolicyInput["intent"] {
  return {
    attempt: {
      number: random.pick([1, 1, 2, 4, random.below(9)]),
      reason: random.pick(["timeout", random.mostly("overloaded", "content_filter")]),
    },
    attribution: {
      cost_center: random.mostly("cc-1", "cc-2", ""),
      customer: "",
      environment: random.mostly("prod", "staging", "dev", "batch", "qa", ""),
      feature: random.mostly("answers", ""),
      service: random.mostly("api", ""),
      team: random.mostly("search", "guests", "others", "nobody", ""),
      user: "u-1",
    },
    data: {
      classes: random.mostly<string[]>([], ["pii"], ["phi", "pci"]),
      residency: random.mostly("", "eu", "us", "moon"),
      sensitivity: random.mostly("unspecified", "public", "confidential", "restricted", "odd"),
    },
    deadline_ms: random.mostly(60_000, 600_000),
    labels: {},
    model: random.mostly<string>(random.pick(MODELS), "acme:none"),
    operation: random.mostly("chat", "image"),
    principal: "p-1",
    prompt: { id: "", version: "" },
    release: "",
    run: {
      depth: random.mostly(1, 11),
      fingerprint: random.mostly("f-1", ""),
      id: "run-1",
      step: 1,
    },
    service_tier: random.mostly("standard", "batch"),
    task: random.pick(["classify", "plan", "other"]),
    tenant: random.mostly("acme", "globex"),
    tokens: {
      cache_read: random.mostly(0, 900),
      input: random.mostly(1_000, 30_000),
      n: 1,
      output_max: random.below(10_000),
    },
  };
}
