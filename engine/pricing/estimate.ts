import type { Intent, IntentTokens, Operation } from "../intent/intent.ts";
import type { BundleData, ModelData } from "../policy/bundle-data.ts";
import type { PriceBook } from "./price-book.ts";
import { bandFor, type Rates } from "./rates.ts";

/** What an estimate needs of a bundle. */
export interface EstimateData {
  readonly models: BundleData["models"];
  readonly estimates: BundleData["estimates"];
  readonly priceBook: PriceBook;
}

/**
 * What an intent would cost on one model. Costs are exact, and expected ≤ p95 ≤ ceiling; all three
 * are 0 where `priced` is false, which is not the same as free.
 */
export interface Estimate {
  readonly model: string;
  /** The catalogue holds the model. */
  readonly known: boolean;
  /** The model is known and the price book has a price for it now. */
  readonly priced: boolean;
  /** The catalogue's entry; null for an unknown model. */
  readonly modelData: ModelData | null;
  readonly inputTokens: number;
  readonly inputTokensP95: number;
  /** Most output tokens of one answer: the least of what was asked, model and context window allow. */
  readonly outputTokensCap: number;
  readonly answers: number;
  /** The context window takes the p95 input and leaves room for output. False for an unknown model. */
  readonly fitsContext: boolean;
  readonly expectedPicoUsd: bigint;
  readonly p95PicoUsd: bigint;
  readonly ceilingPicoUsd: bigint;
  /** The rates applied; null where `priced` is false. */
  readonly rates: Rates | null;
}

/** Operations whose answer holds no priced tokens. */
const NO_OUTPUT: ReadonlySet<Operation> = new Set<Operation>(["embedding", "moderation", "rerank"]);

/**
 * Estimates the cost of an intent on `model`, which is the asked one or a candidate for a reroute.
 * - expected: expected input with its cache parts at their prices, expected output.
 * - p95: p95 input, nothing read from the cache, p95 output.
 * - ceiling: p95 input with every declared cache part at the dearest input price (what is not read may
 *   have to be written again, for longer), the output cap for each answer. What an intent does not
 *   declare is priced as plain input: for a provider that fills its cache unasked and charges for it,
 *   the adapter declares the write.
 *
 * Each is priced at the context threshold its own input reaches. Outputs are those of the bundle's
 * estimates for the operation. An embedding or rerank call holds many items and its window limits each
 * of them, so such calls always fit.
 */
export function estimate(
  intent: Pick<Intent, "tokens" | "operation" | "model" | "serviceTier">,
  data: EstimateData,
  nowMs: number,
  model: string = intent.model,
): Estimate {
  const { tokens } = intent;
  const inputTokensP95 = Math.max(tokens.inputP95, tokens.input);
  const modelData = data.models[model] ?? null;
  const answering = !NO_OUTPUT.has(intent.operation);
  const room = modelData === null ? 0 : Math.max(0, modelData.context_tokens - inputTokensP95);
  const cap = answering && modelData !== null ? outputCap(tokens.outputMax, modelData, room) : 0;
  const rates = modelData === null ? null : data.priceBook.rates(model, intent.serviceTier, nowMs);
  return {
    answers: tokens.n,
    fitsContext: modelData !== null && (!answering || room > 0),
    inputTokens: tokens.input,
    inputTokensP95,
    known: modelData !== null,
    model,
    modelData,
    outputTokensCap: cap,
    priced: rates !== null,
    rates,
    ...(rates === null ? NO_COST : costs(rates, tokens, outputs(intent.operation, data, cap))),
  };
}

interface Costs {
  readonly expectedPicoUsd: bigint;
  readonly p95PicoUsd: bigint;
  readonly ceilingPicoUsd: bigint;
}

/** Output tokens of one answer. */
interface Outputs {
  readonly expected: number;
  readonly p95: number;
  readonly cap: number;
}

const NO_COST: Costs = { ceilingPicoUsd: 0n, expectedPicoUsd: 0n, p95PicoUsd: 0n };

function outputCap(asked: number, model: ModelData, room: number): number {
  const most = Math.min(model.output_tokens_max, room);
  return asked === 0 ? most : Math.min(asked, most);
}

function outputs(operation: Operation, data: EstimateData, cap: number): Outputs {
  const learnt = data.estimates.output[operation] ?? data.estimates.output["default"];
  if (learnt === undefined) return { cap, expected: cap, p95: cap };
  return { cap, expected: Math.min(learnt.expected, cap), p95: Math.min(learnt.p95, cap) };
}

function costs(rates: Rates, tokens: IntentTokens, output: Outputs): Costs {
  const expectedPicoUsd = expectedCost(rates, tokens, output.expected);
  const input = Math.max(tokens.inputP95, tokens.input);
  const { price, requestPicoUsd } = bandFor(rates, input);
  const answerPrice = larger(price.output, price.reasoning);
  const written = Math.min(tokens.cacheWrite, input);
  const p95 =
    times(input - written, price.input) +
    times(written, price.cache_write_5m) +
    times(output.p95 * tokens.n, answerPrice) +
    requestPicoUsd;
  const declared = Math.min(tokens.cacheRead + tokens.cacheWrite, input);
  const dearest = larger(larger(price.input, price.cache_write_5m), price.cache_write_1h);
  const ceiling =
    times(input - declared, price.input) +
    times(declared, dearest) +
    times(output.cap * tokens.n, answerPrice) +
    requestPicoUsd;
  const p95PicoUsd = larger(p95, expectedPicoUsd);
  return { ceilingPicoUsd: larger(ceiling, p95PicoUsd), expectedPicoUsd, p95PicoUsd };
}

function expectedCost(rates: Rates, tokens: IntentTokens, output: number): bigint {
  const { price, requestPicoUsd } = bandFor(rates, tokens.input);
  const read = Math.min(tokens.cacheRead, tokens.input);
  const written = Math.min(tokens.cacheWrite, tokens.input - read);
  return (
    times(tokens.input - read - written, price.input) +
    times(read, price.cache_read) +
    times(written, price.cache_write_5m) +
    times(output * tokens.n, price.output) +
    requestPicoUsd
  );
}

/** Tokens times micro-USD per million tokens is pico-USD, exactly. */
function times(tokens: number, microUsdPerMtok: bigint): bigint {
  return BigInt(tokens) * microUsdPerMtok;
}

function larger(one: bigint, other: bigint): bigint {
  return one > other ? one : other;
}
