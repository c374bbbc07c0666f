import type { Decision, Reason } from "../../engine/decision/decision.ts";
import { formatMicroUsd } from "../../engine/money.ts";
import { formatBundle, formatWait, harmless, type Style, styleOf } from "./style.ts";

/** A decision for a person: what, why, at what price, and what to do next. */
export function renderDecision(decision: Decision, options: { readonly color: boolean }): string {
  const style = styleOf(options.color);
  const rows: (readonly [string, string])[] = [
    ...decision.reasons.map(
      (reason, index) => [index === 0 ? "why" : "", reasonLine(reason, style)] as const,
    ),
    ["cost", costLine(decision)],
    ...obligationRows(decision),
    ...stateRows(decision),
    ["decision", decision.replayed ? `${decision.id} (the same answer as before)` : decision.id],
    ["bundle", formatBundle({ revision: decision.bundleRevision, digest: decision.bundleDigest })],
  ];
  return [
    headline(decision, style),
    ...rows.map(([label, text]) => `  ${style.faint(label.padEnd(LABEL_WIDTH))}${text}`),
    "",
    `${style.bold("next")}: ${harmless(nextStep(decision))}`,
  ].join("\n");
}

const LABEL_WIDTH = 13;

/** "BLOCK  openai:gpt-5-mini", painted. */
export function headline(decision: Decision, style: Style): string {
  const { effect, model, askedModel, mode, wouldBe } = decision;
  const paint = {
    allow: style.green,
    reroute: style.cyan,
    throttle: style.yellow,
    block: style.red,
  };
  const models = effect === "reroute" ? `${askedModel} → ${model}` : model || askedModel;
  const shadow = mode === "shadow" ? `  (shadow: would be ${wouldBe ?? effect})` : "";
  return `${style.bold(paint[effect](effect.toUpperCase()))}  ${harmless(models)}${shadow}`;
}

function reasonLine(reason: Reason, style: Style): string {
  const paint =
    reason.severity === "error" || reason.severity === "critical" ? style.red : style.yellow;
  const shadow = reason.shadow === true ? " (in shadow: did not count)" : "";
  const code = reason.severity === "info" ? reason.code : paint(harmless(reason.code));
  const waived = reason.waiver === undefined ? "" : ` (waived by ${harmless(reason.waiver)})`;
  return `${code}  ${harmless(reason.message)}${shadow}${waived}`;
}

function costLine({ estimate, effect }: Decision): string {
  if (!estimate.priced) return "unknown: the price book does not hold this model";
  const ceiling = formatMicroUsd(estimate.ceilingMicroUsd);
  const expected = formatMicroUsd(estimate.expectedMicroUsd);
  const running = effect === "allow" || effect === "reroute";
  return `${expected} expected, ${ceiling} at most${running ? "" : " (nothing is held)"}`;
}

function obligationRows({ obligations }: Decision): readonly (readonly [string, string])[] {
  const { headers = {}, max_output_tokens: cap = 0, service_tier: tier, strip = [] } = obligations;
  const texts = [
    ...(cap > 0 ? [`at most ${cap} output tokens`] : []),
    ...(tier === undefined ? [] : [`in service tier ${tier}`]),
    ...(strip.length > 0 ? [`without ${strip.join(", ")}`] : []),
    ...Object.entries(headers).map(([name, value]) => `header ${name}: ${value}`),
  ];
  return texts.map((text, index) => [index === 0 ? "obligations" : "", harmless(text)]);
}

function stateRows(decision: Decision): readonly (readonly [string, string])[] {
  const { admission, retryAfterMs, expiresAtMs, decidedAtMs } = decision;
  const rows: (readonly [string, string])[] = [];
  if (admission !== "") rows.push(["admission", ADMISSIONS[admission]]);
  if (retryAfterMs > 0) rows.push(["retry", `in ${formatWait(retryAfterMs)}`]);
  if (expiresAtMs > 0) {
    const at = new Date(expiresAtMs).toISOString();
    rows.push([
      "held until",
      `${at} (${formatWait(Math.max(0, expiresAtMs - decidedAtMs))}), unless reported before`,
    ]);
  }
  return rows;
}

const ADMISSIONS = {
  forced: "forced: it does not fit its budgets and runs because of shadow mode",
  open: "open: the state store did not answer, so no budget was checked",
} as const;

function nextStep({ effect, model, askedModel, id, retryAfterMs, obligations }: Decision): string {
  const bound = Object.keys(obligations).length > 0 ? " under the obligations above" : "";
  switch (effect) {
    case "allow":
      return `call ${model}${bound}, then report its usage for decision ${id}`;
    case "reroute":
      return `call ${model} instead of ${askedModel}${bound}, then report its usage for decision ${id}`;
    case "throttle":
      return `wait ${formatWait(retryAfterMs)}, then send the intent again with the next attempt number`;
    case "block":
      return "do not call; sending it again does not help until the reasons above are gone";
  }
}
