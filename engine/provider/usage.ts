import type { Outcome } from "../ledger/report.ts";
import type { ServiceTier } from "../intent/intent.ts";
import type { FormatName, JsonObject } from "./format.ts";
import { TextCounter, type TextCount } from "./text-count.ts";

/**
 * Tokens of one call, normalised once for every provider: `input` includes cache reads and writes,
 * `output` includes reasoning. The same as the engine's `Usage`.
 */
export interface TokenUsage {
  readonly input: number;
  readonly cacheRead: number;
  readonly cacheWrite5m: number;
  readonly cacheWrite1h: number;
  readonly output: number;
  readonly reasoning: number;
}

/** Usage of a call that used nothing. */
export const NO_TOKENS: TokenUsage = {
  input: 0,
  cacheRead: 0,
  cacheWrite5m: 0,
  cacheWrite1h: 0,
  output: 0,
  reasoning: 0,
};

/** What a response, or the part of it that was seen, says about what it used. */
export interface UsageReading {
  /** Null until the provider has told any figures; figures of 0 are figures. */
  readonly usage: TokenUsage | null;
  /** Present where a count was too large for any call; `usage` holds less. */
  readonly isImplausible?: true;
  /** Figures beside the tokens that are priced: "audio_input", "image_output", "web_search", … */
  readonly other: Readonly<Record<string, number>>;
  /** Tier that served the call; "" where the response does not say or says a word not known here. */
  readonly serviceTier: ServiceTier | "";
  /** Model that served the call, as the provider names it; "" where it does not say. */
  readonly model: string;
  /** How it ended; "" where it has not, or the response does not say. */
  readonly outcome: Outcome | "";
  /** Text of the answer that was seen, to estimate from where no figures come. */
  readonly answered: TextCount;
  /** Members of the usage object that this code does not know, as "usage.name". */
  readonly unknownFields: readonly string[];
}

/** How a metric names members that are not known, with the format they came in; at most 64 characters. */
export function namesOfUnknown(format: FormatName, fields: readonly string[]): readonly string[] {
  return fields.map((name) => `${format} ${name}`.slice(0, NAME_CHARS));
}

/** What a single count is taken as at most: the sums of several stay within what a report may hold. */
export const COUNT_MAX = 200_000_000;
const UNKNOWN_MAX = 8;
const NAME_CHARS = 64;

/** Gathers a reading from the documents of one response. */
export class UsageDraft {
  usage: TokenUsage | null = null;
  isImplausible = false;
  serviceTier: ServiceTier | "" = "";
  model = "";
  outcome: Outcome | "" = "";
  readonly other: Record<string, number> = {};
  readonly answered = new TextCounter();
  readonly #unknown = new Set<string>();

  /** Takes figures, made consistent: parts never exceed their whole, so nothing is charged too low. */
  figures(counts: Partial<TokenUsage>): void {
    const cacheRead = counts.cacheRead ?? 0;
    const cacheWrite5m = counts.cacheWrite5m ?? 0;
    const cacheWrite1h = counts.cacheWrite1h ?? 0;
    const reasoning = counts.reasoning ?? 0;
    if (Object.values(counts).some((count) => count >= COUNT_MAX)) this.isImplausible = true;
    this.usage = {
      input: Math.max(counts.input ?? 0, cacheRead + cacheWrite5m + cacheWrite1h),
      cacheRead,
      cacheWrite5m,
      cacheWrite1h,
      output: Math.max(counts.output ?? 0, reasoning),
      reasoning,
    };
  }

  /** Figures beside the tokens; 0 and absent ones are left out. */
  beside(name: string, value: unknown): void {
    const amount = countOf(value);
    if (amount > 0) this.other[name] = amount;
  }

  /** Notes the members of `object` that are not among `known`; null members say nothing. */
  checkNames(object: JsonObject, path: string, known: ReadonlySet<string>): void {
    for (const name in object) {
      if (known.has(name) || object[name] === null || this.#unknown.size >= UNKNOWN_MAX) continue;
      const shown = /^[\w.-]+$/.test(name) ? name.slice(0, NAME_CHARS) : "?";
      this.#unknown.add(`${path}.${shown}`);
    }
  }

  /** Text of the answer, from a delta or a whole one. */
  text(value: unknown): void {
    if (typeof value === "string") this.answered.add(value);
  }

  reading(): UsageReading {
    const { answered, isImplausible, model, other, outcome, serviceTier, usage } = this;
    return {
      answered,
      ...(isImplausible && { isImplausible }),
      model,
      other,
      outcome,
      serviceTier,
      unknownFields: [...this.#unknown],
      usage,
    };
  }
}

/** A count as providers write it, a whole number or a decimal string of one; anything else is 0. */
export function countOf(value: unknown): number {
  const number = typeof value === "string" && /^\d{1,10}$/.test(value) ? Number(value) : value;
  if (typeof number !== "number" || !Number.isFinite(number) || number <= 0) return 0;
  return Math.min(COUNT_MAX, Math.ceil(number));
}

/** The tier by the provider's word; "" for a word that is not known. */
export function tierOf(word: unknown): ServiceTier | "" {
  return typeof word === "string" ? (TIERS.get(word.toLowerCase()) ?? "") : "";
}

const TIERS: ReadonlyMap<string, ServiceTier> = new Map([
  ["default", "standard"],
  ["standard", "standard"],
  ["standard_only", "standard"],
  ["on_demand", "standard"],
  ["on_demand_priority", "priority"],
  ["on_demand_flex", "flex"],
  ["flex", "flex"],
  ["batch", "batch"],
  ["priority", "priority"],
  ["fast", "priority"],
]);
