import type { Decision } from "../../../engine/decision/decision.ts";
import type { Verdict } from "../../../engine/policy/verdict.ts";
import type { ExplainedRule, ReachedExpression } from "../../opa/explain.ts";
import { decisionToJson } from "../../http/from-decision.ts";
import { headline } from "../render-decision.ts";
import { harmless, type Style, styleOf } from "../style.ts";
import { reasonOf } from "./cases/run-case.ts";
import { counted } from "./count.ts";

/** A decision and, for each model that was judged, what became of every rule. */
export interface Explained {
  readonly decision: Decision;
  readonly judged: readonly JudgedModel[];
}

export interface JudgedModel {
  readonly model: string;
  /** null: a fault of the policy. */
  readonly verdict: Verdict | null;
  readonly rules: readonly ExplainedRule[];
}

export interface Shown {
  readonly color: boolean;
  /** Rules that did not hold, too. */
  readonly all?: boolean;
  /** Nothing but the rule of this code. */
  readonly rule?: string;
}

/** What a program wants to know. */
export function explainedToJson({ decision, judged }: Explained): string {
  return JSON.stringify({
    decision: decisionToJson(decision),
    judged: judged.map(({ model, rules, verdict }) => ({
      model,
      effect: verdict?.effect ?? "fault",
      rules: rules.map((rule) => ({
        ...rule,
        counts: rule.held && notCounting(rule, verdict) === "",
      })),
    })),
  });
}

/** What a person wants to know: what was decided, and for each model the rules and their values. */
export function renderExplained({ decision, judged }: Explained, shown: Shown): string {
  const style = styleOf(shown.color);
  return [
    headline(decision, style),
    ...decision.reasons.map((reason) => `  ${harmless(`${reasonOf(reason)}  ${reason.message}`)}`),
    ...judged.flatMap((one) => ["", ...modelLines(one, shown, style)]),
  ].join("\n");
}

function modelLines(
  { model, rules, verdict }: JudgedModel,
  shown: Shown,
  style: Style,
): readonly string[] {
  const held = rules.filter((rule) => rule.held);
  const counts = `${held.length} of ${counted(rules.length, "rule")} held`;
  const effect = verdict === null ? "the policy failed" : verdict.effect;
  const title = `${style.bold(harmless(model))}: ${effect}, ${counts}`;
  const wanted = rules.filter(({ code, held: holds }) =>
    shown.rule === undefined ? holds || shown.all === true : code === shown.rule,
  );
  const more =
    shown.rule === undefined && shown.all !== true && held.length < rules.length
      ? [style.faint("  --all shows where the others stopped, --rule CODE one of them")]
      : [];
  return [title, ...wanted.flatMap((rule) => ruleLines(rule, verdict, style)), ...more];
}

function ruleLines(rule: ExplainedRule, verdict: Verdict | null, style: Style): readonly string[] {
  const { code, file, held, kind, row, why } = rule;
  const paint = !held ? style.faint : notCounting(rule, verdict) === "" ? style.yellow : style.cyan;
  const said = held ? notCounting(rule, verdict) : "did not hold; it stopped at";
  const name = paint(harmless(code === "" ? "(no code)" : code));
  return [
    `  ${kind.padEnd(8)}  ${name}  ${style.faint(`${file}:${row}`)}${said === "" ? "" : `  ${said}`}`,
    ...why.map(
      (reached) =>
        `    ${style.faint(String(reached.row).padStart(6))}  ${expression(reached, style)}`,
    ),
  ];
}

/** Why a rule that held did not count; "" where it did. */
function notCounting({ code }: ExplainedRule, verdict: Verdict | null): string {
  if (verdict === null) return "";
  const finding = verdict.reasons.find((reason) => reason.code === code);
  if (finding === undefined) return "off: does not count";
  if (finding.waiver !== undefined) return `waived by ${finding.waiver}: does not count`;
  return finding.shadow === true ? "in shadow: does not count" : "";
}

const VALUE_MAX = 60;

function expression({ text, values }: ReachedExpression, style: Style): string {
  const said = Object.entries(values).map(([name, value]) => `${name} = ${cut(value)}`);
  return harmless(text) + (said.length === 0 ? "" : style.faint(harmless(`   ${said.join(", ")}`)));
}

function cut(value: string): string {
  return value.length <= VALUE_MAX ? value : `${value.slice(0, VALUE_MAX)}…`;
}
