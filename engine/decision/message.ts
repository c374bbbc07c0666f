import { formatMicroUsd } from "../money.ts";
import type { Finding, RuleDescription } from "../policy/verdict.ts";
import type { Reason } from "./decision.ts";

type Rules = Readonly<Record<string, RuleDescription>>;

/** Findings of the engine itself; a policy cannot produce these codes. */
const ENGINE_RULES = {
  "policy.fault": {
    title: "Policy fault",
    severity: "critical",
    message: "the policy failed, so nothing may pass: {fault}",
  },
  "budget.not_held": {
    title: "Nothing held",
    severity: "critical",
    message: "the policy allowed the call but its cost could not be held on every budget",
  },
  "freeze.active": {
    title: "Frozen",
    severity: "critical",
    message: "{scope} is frozen: {reason}",
  },
  "reroute.no_candidate": {
    title: "No candidate",
    severity: "info",
    message: "none of {tried} alternatives passed the policy, so the model asked for is used",
  },
  "state.open": {
    title: "State lost, admitted open",
    severity: "warning",
    message: "the state store does not answer; the budgets concerned admit without a hold",
  },
} as const satisfies Readonly<
  Record<string, Pick<Reason, "severity"> & { title: string; message: string }>
>;

export type EngineCode = keyof typeof ENGINE_RULES;

/** A finding of the engine, with its message. */
export function engineReason(code: EngineCode, params: Finding["params"] = {}): Reason {
  const { title, severity, message } = ENGINE_RULES[code];
  return { code, message: fillTemplate(message, params), params, rule: title, severity };
}

/**
 * Findings with their messages, from the templates of the rules' METADATA. Where `amounts` is false, messages
 * say "[amount]" for money and the parameters leave it out.
 */
export function renderReasons(
  findings: readonly Finding[],
  rules: Rules,
  amounts = true,
): readonly Reason[] {
  if (findings.length === 0) return NO_REASONS;
  return findings.map((finding) => {
    const template = rules[finding.code]?.message ?? finding.rule;
    if (amounts) return { ...finding, message: fillTemplate(template, finding.params) };
    const told = Object.entries(finding.params).filter(([name]) => !name.endsWith(MONEY));
    const params = Object.fromEntries(told);
    const message = fillTemplate(template.replaceAll(MONEY_NAMES, "[amount]"), params);
    return { ...finding, message, params };
  });
}

const MONEY = "_micro_usd";
const MONEY_NAMES = /\{[a-z0-9_]*_micro_usd\}/g;

const NO_REASONS: readonly Reason[] = Object.freeze([]);

/** Replaces "{name}" by the parameter, money and durations in words; an unknown name stays. */
export function fillTemplate(template: string, params: Finding["params"]): string {
  return template.replaceAll(/\{([a-z0-9_]+)\}/g, (whole, name: string) => {
    const value = Object.hasOwn(params, name) ? params[name] : undefined;
    return value === undefined ? whole : showParam(name, value);
  });
}

function showParam(name: string, value: string | number | boolean): string {
  if (typeof value === "number" && name.endsWith(MONEY)) return formatMicroUsd(value);
  if (typeof value === "number" && name.endsWith("_ms")) return formatDuration(value);
  return String(value);
}

/** Milliseconds in the two largest units that matter: "1.5 s", "90 s", "12 min", "3 h 20 min". */
export function formatDuration(ms: number): string {
  if (ms < 1_000) return `${ms} ms`;
  if (ms < 59_950) return `${Math.round(ms / 100) / 10} s`;
  const minutes = Math.ceil(ms / 60_000);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d`;
}
