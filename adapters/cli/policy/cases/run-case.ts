import { isDeepStrictEqual } from "node:util";

import type { Decision } from "../../../../engine/decision/decision.ts";
import type { RawIntent } from "../../../../engine/intent/intent.ts";
import type { Finding } from "../../../../engine/policy/verdict.ts";
import type { DecisionRecord } from "../../../../engine/record/record.ts";
import { intentFromJson } from "../../../http/to-intent.ts";
import type { CaseStep, IntentJson, PolicyCase } from "./policy-case.ts";

/** Where a case runs: in memory, or at a service. */
export interface CaseHost {
  decide(intent: RawIntent): Promise<Decision>;
  report(
    decision: Decision,
    used: { readonly input: number; readonly output: number },
  ): Promise<void>;
  freeze(tenant: string, scope: string, reason: string): Promise<void>;
  grant(tenant: string, budget: string, amountMicroUsd: number, forMs: number): Promise<void>;
  /** Lets time pass, and what is due then happen. */
  advance(ms: number): Promise<void>;
  record(decisionId: string): Promise<DecisionRecord>;
  close(): Promise<void>;
}

/** How a case went. */
export interface CaseResult {
  /** What is not as wanted, in words; none: it is. */
  readonly faults: readonly string[];
  readonly decision: Decision;
  readonly record: DecisionRecord;
}

/** When a case begins that does not say. */
export const CASE_START = "2026-11-25T12:00:00Z";

/** Tells a case's story to a host: what is decided in the end, and the record of it. */
export async function tellCase(
  { intent, state }: PolicyCase["given"],
  host: CaseHost,
): Promise<Omit<CaseResult, "faults">> {
  const told: Decision[] = [];
  for (const step of state ?? []) await take(step, intent, host, told);
  const decision = await host.decide(intentFromJson({ id: "the-call", ...intent }));
  return { decision, record: await host.record(decision.id) };
}

/** Tells a case's story and compares what comes of it with what is wanted. */
export async function runCase({ given, want }: PolicyCase, host: CaseHost): Promise<CaseResult> {
  const { decision, record } = await tellCase(given, host);
  return { decision, faults: compare(want, decision, record), record };
}

async function take(
  step: CaseStep,
  intent: IntentJson,
  host: CaseHost,
  told: Decision[],
): Promise<void> {
  const tenant = String((intent["attribution"] as IntentJson | undefined)?.["tenant"]);
  if ("wait_ms" in step) return host.advance(step.wait_ms);
  if ("freeze" in step) return host.freeze(tenant, step.freeze, step.reason);
  if ("grant" in step) return host.grant(tenant, step.grant, step.amount_micro_usd, step.for_ms);
  for (let time = 0; time < (step.times ?? 1); time += 1) {
    if (step.every_ms !== undefined) await host.advance(step.every_ms);
    const call = merged(merged(intent, { id: `earlier-${told.length}` }), step.call);
    const decision = await host.decide(intentFromJson(call));
    told.push(decision);
    if (step.report !== undefined && decision.model !== "")
      await host.report(decision, step.report);
  }
}

/** Objects are merged member by member, everything else is replaced. */
function merged(base: IntentJson, change: IntentJson): IntentJson {
  const members = Object.entries(change).map(([name, value]): [string, unknown] => {
    const before = base[name];
    return [name, isObject(before) && isObject(value) ? merged(before, value) : value];
  });
  return { ...base, ...Object.fromEntries(members) };
}

function isObject(value: unknown): value is IntentJson {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function compare(
  want: PolicyCase["want"],
  decision: Decision,
  record: DecisionRecord,
): readonly string[] {
  const reasons = decision.reasons.map(reasonOf);
  const { decision: decided, evaluations, reservation } = record;
  const { admission, budgets, held, judged, would_be } = want.record ?? {};
  return [
    ...unlike("effect", decision.effect, want.effect),
    ...unlike("model", decision.model, want.model),
    ...unlike("reasons", reasons, want.reasons),
    ...unlike("retry_after_ms", decision.retryAfterMs, want.retry_after_ms),
    ...unlike("obligations", decision.obligations, want.obligations),
    ...Object.entries(want.messages ?? {}).flatMap(([code, text]) => {
      const message = decision.reasons.find((reason) => reason.code === code)?.message ?? "";
      return message.includes(text)
        ? []
        : [`message of ${code} is ${show(message)}, wanted ${show(text)} in it`];
    }),
    ...unlike("record.held", reservation.held, held),
    ...unlike("record.admission", decided.admission, admission),
    ...unlike("record.would_be", decided.would_be, would_be),
    ...unlike(
      "record.judged",
      evaluations.map(({ model }) => model),
      judged,
    ),
    ...unlike(
      "record.budgets",
      reservation.holds.map(({ budget }) => budget).toSorted(),
      budgets?.toSorted(),
    ),
  ];
}

/** "budget.exhausted"; one that did not count says why: "agent.depth (shadow)", "… (waiver w-1)". */
export function reasonOf({ code, shadow, waiver }: Finding): string {
  if (waiver !== undefined) return `${code} (waiver ${waiver})`;
  return shadow === true ? `${code} (shadow)` : code;
}

function unlike(name: string, actual: unknown, wanted: unknown): readonly string[] {
  if (wanted === undefined || isDeepStrictEqual(actual, wanted)) return [];
  return [`${name} is ${show(actual)}, wanted ${show(wanted)}`];
}

function show(value: unknown): string {
  return JSON.stringify(value);
}
