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
  "intent.deadline_ms",
  "intent.labels",
  "intent.principal",
  "intent.prompt",
  "intent.release",
  "intent.run.id",
  "intent.run.step",
  "intent.service_tier",
  "intent.tokens.input",
  "intent.tokens.n",
  "context.velocity.in_flight",
  "context.velocity.windows.armed",
  "context.velocity.windows.baseline_ready",
  "context.velocity.windows.calls",
  "context.budgets.on_state_loss",
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

  /** True once in `times`. */
  once(times: number): boolean {
    return this.below(times) === 0;
  }

  some<T>(values: readonly T[], most: number): T[] {
    return Array.from({ length: this.below(most + 1) }, () => this.pick(values));
  }
}

const MODELS = [
  "openai:gpt-6.1-sol",
  "openai:gpt-6-luna",
  "anthropic:claude-haiku-5-5",
  "mistral:mistral-large-4",
];
const TEAMS = ["search", "support", "marketing", "platform", "nobody", ""];

function makeInput(random: Random, full = false): PolicyInput {
  const lost = !full && random.once(12);
  const count = (most: number): number => (full ? most : random.below(most + 1));
  return {
    candidates: Array.from({ length: count(3) }, () => ({
      clearance: random.pick(["public", "internal", "confidential", "restricted"]),
      cost_micro_usd: random.below(40_000),
      model: random.pick(MODELS),
      regions: random.some(["eu", "us", "ap"], 3),
      tier: 1 + random.below(4),
    })),
    context: {
      budgets: Array.from({ length: count(3) }, (_, i) => ({
        cost: random.below(40_000),
        fits: lost ? null : !random.once(5),
        id: `budget-${i}`,
        mode: random.pick(["hard", "soft"] as const),
        on_state_loss: random.pick(["closed", "open"] as const),
        remaining: lost ? null : random.below(100_000) - 10_000,
        resets_in_ms: random.below(86_400_000),
        unit: random.pick(["usd", "usd", "tokens", "calls"] as const),
        used_percent: lost ? null : random.below(110),
      })),
      freezes: full || random.once(20) ? [{ reason: "incident", scope: "team:search" }] : [],
      run:
        full || random.once(2)
          ? {
              repeats: random.below(5),
              spent_micro_usd: random.below(21_000_000),
              steps: random.below(55),
            }
          : null,
      state: lost ? "unavailable" : random.pick(["fresh", "stale"] as const),
      velocity: Array.from({ length: count(3) }, (_, i) => ({
        hot: random.once(10),
        in_flight: random.below(9),
        kind: random.pick(["tenant", "team", "feature", "model"]),
        retry_after_ms: random.below(9_000),
        scope: `scope-${i}`,
        windows: Array.from({ length: count(2) }, () => ({
          armed: random.once(2),
          attempts: random.below(60),
          baseline_ready: random.once(2),
          calls: random.below(60),
          hot: random.once(4),
          limit_micro_usd: random.below(5_000_000),
          percent: random.below(900),
          rate_micro_usd: random.below(9_000_000),
          retry_percent: random.below(100),
          window: random.pick(["1s", "1m", "1h"] as const),
        })),
      })),
    },
    facts: {
      cost_micro_usd: random.once(20) ? 6_000_000 : random.below(40_000),
      fits_context: !random.once(15),
      known: !random.once(20),
      output_tokens: random.below(9_000),
      priced: !random.once(20),
      tokens: random.below(200_000),
      unreported_calls: random.below(60),
      unreported_percent: random.below(40),
    },
    intent: {
      attempt: {
        number: 1 + random.below(random.pick([1, 2, 7])),
        reason: random.pick(["", "timeout", "content_filter"]),
      },
      attribution: {
        cost_center: random.pick(["cc-100", "cc-200", "cc-500", ""]),
        customer: "",
        environment: random.pick(["prod", "staging", "dev", "qa", ""]),
        feature: random.pick(["answers", ""]),
        service: random.pick(["api", "api", ""]),
        team: random.pick(TEAMS),
        user: "u-1",
      },
      data: {
        classes: random.some(["pii", "phi", "pci"], 2),
        residency: random.pick(["", "", "eu", "us", "moon"]),
        sensitivity: random.pick([
          "unspecified",
          "public",
          "internal",
          "confidential",
          "restricted",
          "odd",
        ]),
      },
      deadline_ms: 60_000,
      labels: {},
      model: random.once(20) ? "openai:none" : random.pick(MODELS),
      operation: random.once(15) ? "image" : "chat",
      principal: "p-1",
      prompt: { id: "", version: "" },
      release: "",
      run: { depth: random.below(11), fingerprint: random.pick(["", "f-1"]), id: "run-1", step: 1 },
      service_tier: "standard",
      task: random.pick(["classify", "summarize", "code", "plan", "other", ""]),
      tenant: random.pick(["acme", "acme", "acme", "globex"]),
      tokens: { input: 1_000, n: 1, output_max: random.below(10_000) },
    },
    mode: random.pick(["enforce", "shadow"] as const),
    now_ms: 1_795_000_000_000,
  };
}
