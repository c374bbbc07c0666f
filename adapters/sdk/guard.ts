import { estimateTokens, tokenizerOf } from "../../engine/provider/estimate-tokens.ts";
import { TextCounter } from "../../engine/provider/text-count.ts";
import type { Core } from "./core.ts";
import type {
  CallDecision,
  CallIntent,
  CallOutcome,
  CallReport,
  CallScope,
  CallUsage,
} from "./decision.ts";
import { callError } from "./errors.ts";
import { within } from "./scope.ts";

/** A call to be guarded, of any kind: a model by another library, a tool, an MCP server. */
export interface GuardedCall {
  /** "provider:model", or "tool:name". */
  readonly model: string;
  /** Default: "chat"; "tool" for models of the provider "tool". */
  readonly operation?: CallIntent["operation"];
  /** Input tokens, or the text they are estimated from; 0 for calls that have none. */
  readonly input?: number | string;
  /** Cap on output tokens that the call sets. */
  readonly outputMax?: number;
  readonly answers?: number;
  readonly serviceTier?: NonNullable<CallIntent["serviceTier"]>;
  readonly scope?: CallScope;
  /** Id of the intent; default: a fresh one. */
  readonly id?: string;
  readonly attempt?: { readonly number: number; readonly reason: string };
  /**
   * Providers a reroute may lead to; default: the one of the model. The call is given the decision and
   * must call `decision.model` under `decision.obligations`.
   */
  readonly providers?: readonly string[];
  /** How often a throttled call waits and asks again; default 0: it throws. */
  readonly throttleRetries?: number;
  /** Ends such a wait. */
  readonly signal?: AbortSignal | undefined;
}

/** What a guarded call comes back with. */
export interface GuardedResult<Value> {
  readonly value: Value;
  /** Absent, as `rawUsage` is: the estimate is charged. */
  readonly usage?: CallUsage;
  /** Usage as the provider told it, with the name of its format ("openai.chat"). */
  readonly rawUsage?: { readonly format: string; readonly json: unknown };
  readonly outcome?: CallOutcome;
}

/**
 * Decides a call, makes it, settles it. Throws WeirBlockedError, WeirThrottledError or
 * WeirUnavailableError where it is not to be made; what the call itself throws is reported as an error
 * and thrown on. With the fail mode open and Weir silent, the call is given null.
 */
export async function guard<Value>(
  core: Core,
  scope: CallScope,
  guarded: GuardedCall,
  call: (decision: CallDecision | null) => Promise<GuardedResult<Value>>,
): Promise<Value> {
  const intent = intentOf(core, scope, guarded);
  const decision = await admitted(core, intent, guarded);
  if (decision === null) return (await call(null)).value;
  const estimated: CallUsage = { input: intent.tokens.input, output: 0 };
  try {
    const { value, ...used } = await call(decision);
    void core.report(reportOf(decision, used, estimated));
    return value;
  } catch (thrown) {
    void core.report({
      basis: "estimated",
      decisionId: decision.id,
      outcome: "error",
      usage: estimated,
    });
    throw thrown;
  }
}

/** The decision to go ahead, or null with the fail mode open; throws where the call is refused. */
export async function admitted(
  core: Core,
  intent: CallIntent,
  { signal, throttleRetries = 0 }: Pick<GuardedCall, "signal" | "throttleRetries">,
): Promise<CallDecision | null> {
  const { number, reason } = intent.attempt;
  for (let tries = 0; ; tries += 1) {
    const why = tries === 0 ? reason : "throttled";
    const passage = await core.ask({ ...intent, attempt: { number: number + tries, reason: why } });
    if (passage.kind === "go") return passage.decision;
    if (passage.kind === "open") return null;
    const { decision, refusal } = passage;
    if (refusal.kind !== "throttled" || tries >= throttleRetries)
      throw callError(refusal, decision);
    await delay(refusal.retryAfterMs, signal);
  }
}

function delay(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      clearTimeout(timer);
      reject(signal?.reason instanceof Error ? signal.reason : new Error("aborted"));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", end);
      resolve();
    }, ms);
    if (signal?.aborted === true) end();
    else signal?.addEventListener("abort", end, { once: true });
  });
}

function intentOf(core: Core, scope: CallScope, guarded: GuardedCall): CallIntent {
  const { answers = 1, attempt, id, model, outputMax = 0, serviceTier } = guarded;
  const [provider = ""] = model.split(":");
  const whole = within(scope, guarded.scope ?? {});
  const tokens = tokensOf(guarded.input ?? 0, model);
  return {
    id: id ?? crypto.randomUUID(),
    scope: whole,
    operation: guarded.operation ?? (provider === "tool" ? "tool" : "chat"),
    model,
    tokens: { ...tokens, n: answers, outputMax },
    ...(whole.run !== undefined && { step: core.nextStep(whole.run) }),
    attempt: attempt ?? { number: 1, reason: "" },
    ...(serviceTier !== undefined && { serviceTier }),
    providers: guarded.providers ?? [provider],
  };
}

function tokensOf(input: number | string, model: string): { input: number; inputP95: number } {
  if (typeof input === "number") return { input, inputP95: 0 };
  const text = new TextCounter();
  text.add(input);
  const { expected, p95 } = estimateTokens(text, tokenizerOf(model));
  return { input: expected, inputP95: p95 };
}

function reportOf(
  decision: CallDecision,
  used: Omit<GuardedResult<unknown>, "value">,
  estimated: CallUsage,
): CallReport {
  const { outcome = "ok", rawUsage, usage } = used;
  const basis = usage === undefined && rawUsage === undefined ? "estimated" : "provider";
  const common = { basis, decisionId: decision.id, outcome } as const;
  if (rawUsage === undefined) return { ...common, usage: usage ?? estimated };
  const { format, json } = rawUsage;
  return { ...common, rawUsage: { format, json: JSON.stringify(json) } };
}
