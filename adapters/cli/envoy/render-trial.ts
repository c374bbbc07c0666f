import type { Effect } from "../../../engine/decision/decision.ts";
import { formatMicroUsd } from "../../../engine/money.ts";
import { harmless, type Style } from "../style.ts";
import type { Comparison } from "./compare.ts";
import type { SeenRequest } from "../simulator/provider-simulator.ts";
import type { Trial } from "./trial.ts";
import type { TrialAnswer, TrialCall } from "./trial-calls.ts";

const BODY_CHARS = 400;

/** One call as curl would show it, and what the provider got to see of it. */
export function renderTrialCall(
  base: string,
  call: TrialCall,
  answer: TrialAnswer,
  seen: SeenRequest | null,
  style: Style,
): string {
  const headers = [
    `authorization: Bearer <key of ${call.principal}>`,
    ...Object.entries(call.headers).map(([name, value]) => `${name}: ${value}`),
  ];
  const told = [
    `x-weir-effect: ${answer.effect}`,
    ...(answer.model === "" ? [] : [`x-weir-model: ${answer.model}`]),
    ...(answer.retryAfterMs === "" ? [] : [`retry-after-ms: ${answer.retryAfterMs}`]),
    `x-weir-decision-id: ${answer.decisionId}`,
  ];
  return [
    style.bold(call.title),
    `$ curl ${base}${call.path} \\`,
    ...headers.map((header) => style.faint(`    -H '${header}' \\`)),
    `    -d '${JSON.stringify(call.body)}'`,
    paintOf(answer.effect as Effect, style)(`< HTTP ${answer.status}`),
    ...told.map((line) => `< ${line}`),
    harmless(shorten(answer.body.trim())),
    seen === null
      ? style.faint("  the provider saw nothing")
      : style.faint(`  the provider saw ${seen.path}  ${harmless(shorten(seen.body))}`),
  ].join("\n");
}

function paintOf(effect: Effect, style: Style): (text: string) => string {
  const paints = {
    allow: style.green,
    block: style.red,
    reroute: style.cyan,
    throttle: style.yellow,
  };
  return paints[effect] ?? style.bold;
}

function shorten(text: string): string {
  const line = text.replaceAll(/\s*\n\s*/g, " ");
  return line.length > BODY_CHARS ? `${line.slice(0, BODY_CHARS)}…` : line;
}

/** The effects and both accounts of the money. */
export function renderComparison(
  effects: Readonly<Record<Effect, number>>,
  money: Comparison,
  style: Style,
): string {
  const counts = Object.entries(effects).map(([effect, count]) => `${effect} ${count}`);
  const isEqual = money.differences.length === 0;
  return [
    `${style.bold("calls")}     ${counts.join(", ")}`,
    `${style.bold("settled")}   ${formatMicroUsd(money.settled_micro_usd)} in Weir's ledger`,
    `${style.bold("provider")}  ${formatMicroUsd(money.provider_micro_usd)} by the provider's own count`,
    isEqual
      ? style.green("every call was settled as the provider served it")
      : style.red(`${money.differences.length} calls differ:`),
    ...money.differences.map(
      (one) =>
        `  ${one.decision_id}: settled ${one.settled_pico_usd} (${one.basis || "not yet"}), provider ${one.provider_pico_usd} pico-USD`,
    ),
  ].join("\n");
}

/** How to call what stays running. */
export function renderStay(trial: Trial): string {
  return [
    "running until Ctrl-C; from another terminal:",
    `  curl ${trial.base}/openai/v1/chat/completions -H 'authorization: Bearer ${trial.keyOf("search-service")}' \\`,
    "    -H 'x-weir-environment: dev' -H 'x-weir-task: chat' -H 'content-type: application/json' \\",
    `    -d '{"model":"gpt-5-mini","messages":[{"role":"user","content":"hello"}]}'`,
  ].join("\n");
}
