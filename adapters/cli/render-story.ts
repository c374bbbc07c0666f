import type { Finding } from "../../engine/policy/verdict.ts";
import { costMicroUsd, formatMicroUsd, NANO_PER_MICRO, PICO_PER_NANO } from "../../engine/money.ts";
import type { BudgetFacts, PolicyInput } from "../../engine/policy/input.ts";
import {
  type DecisionRecord,
  type EntryRecord,
  firstInput,
  type RecordedHold,
  type ReportRecord,
} from "../../engine/record/record.ts";
import type { Story } from "../serve/story.ts";
import { formatBundle, formatWait, harmless, type Style, styleOf } from "./style.ts";

type Row = readonly [title: string, text: string];

/** What happened to a call, in the order in which it happened, for the developer who sent it. */
export function renderStory(story: Story, { color }: { readonly color: boolean }): string {
  const style = styleOf(color);
  const { record } = story;
  const rows: readonly Row[] = [
    ...intentRows(record),
    ...factRows(firstInput(record)),
    ...ruleRows(record, style),
    ...answerRows(record, style),
    ...holdRows(record),
    ...story.later.flatMap((line) => laterRows(line.record, record)),
    ...openRows(story),
    ...proofRows(story),
  ];
  let before = "";
  const lines = rows.map(([title, text]) => {
    const shown = title === before ? "" : title;
    before = title;
    return `  ${style.faint(shown.padEnd(TITLE_WIDTH))}${text}`;
  });
  return [style.bold(`${record.id}, ${stamp(record.at_ms)}`), ...lines].join("\n");
}

const TITLE_WIDTH = 13;

function intentRows(record: DecisionRecord): readonly Row[] {
  const { intent } = firstInput(record);
  const { attribution, tokens } = intent;
  const who = Object.entries(attribution).filter(([, value]) => value !== "");
  const run =
    intent.run.id === ""
      ? []
      : [`run ${intent.run.id}, step ${intent.run.step}, depth ${intent.run.depth}`];
  const texts = [
    `${intent.principal} wanted to run ${intent.operation} on ${intent.model} for tenant ${intent.tenant}`,
    who.map(([field, value]) => `${field} ${value}`).join(", "),
    `${tokens.input} input tokens, ${tokens.output_max === 0 ? "no cap on output" : `at most ${tokens.output_max} output`}, ${intent.data.sensitivity} data`,
    `intent ${record.intent.id}, attempt ${intent.attempt.number}${intent.attempt.reason === "" ? "" : ` after ${intent.attempt.reason}`}`,
    ...run,
  ];
  return texts.filter((text) => text !== "").map((text) => ["intent", harmless(text)]);
}

function factRows({ context, facts }: PolicyInput): readonly Row[] {
  const cost = facts.priced
    ? `it could cost ${formatMicroUsd(facts.cost_micro_usd)} at most`
    : "its model is not in the price book";
  const state = context.state === "fresh" ? [] : [`the state store was ${context.state}`];
  const freezes = context.freezes.map(({ reason, scope }) => `frozen: ${scope} (${reason})`);
  const hot = context.velocity.filter((scope) => scope.hot);
  const rates = hot.map(({ scope }) => `${scope} was spending faster than it may`);
  const texts = [cost, ...state, ...freezes, ...context.budgets.map(budgetWords), ...rates];
  return texts.map((text) => ["facts", harmless(text)]);
}

function budgetWords({ fits, id, mode, remaining, unit, used_percent: used }: BudgetFacts): string {
  if (remaining === null) return `budget ${id} (${mode}): nobody knew what was left`;
  const left = unit === "usd" ? formatMicroUsd(remaining) : `${remaining} ${unit}`;
  // Rounded up for the rules: for people it is not all of it while something is left.
  const share = used === 100 && remaining > 0 ? "more than 99" : used;
  return `budget ${id} (${mode}): ${left} left, ${share} % used${fits === false ? "; the call did not fit" : ""}`;
}

/** Each model that was judged and what the rules said of it. */
function ruleRows(record: DecisionRecord, style: Style): readonly Row[] {
  return record.evaluations.flatMap(({ model, verdict }): Row[] => {
    if (verdict === null)
      return [["rules", `${harmless(model)}: ${style.red("a fault of the policy")}`]];
    if (!("reasons" in verdict)) return [];
    const head = `${harmless(model)}: ${verdict.effect}`;
    const found = verdict.reasons.map((reason) => {
      const { code, rule, severity } = reason;
      return harmless(`  ${code}, by ${rule}, ${severity}${whetherCounted(reason)}`);
    });
    const routes =
      verdict.routes.length === 0 ? [] : [harmless(`  could go to ${verdict.routes.join(", ")}`)];
    return [head, ...found, ...routes].map((text) => ["rules", text]);
  });
}

function whetherCounted({ shadow, waiver }: Pick<Finding, "shadow" | "waiver">): string {
  if (shadow === true) return " (in shadow: it did not count)";
  return waiver === undefined ? "" : ` (waived by ${waiver}: it did not count)`;
}

function answerRows(record: DecisionRecord, style: Style): readonly Row[] {
  const { bundle, decision, mode } = record;
  const paint = {
    allow: style.green,
    block: style.red,
    reroute: style.cyan,
    throttle: style.yellow,
  };
  const model = decision.model === "" ? "" : `, call ${harmless(decision.model)}`;
  const wait =
    decision.retry_after_ms > 0 ? `, again in ${formatWait(decision.retry_after_ms)}` : "";
  const shadow =
    mode === "shadow"
      ? [`in shadow: it would have been ${decision.would_be ?? decision.effect}`]
      : [];
  const admission =
    decision.admission === ""
      ? []
      : [`admitted ${decision.admission}: outside the guarantee of its budgets`];
  const texts = [
    `${style.bold(paint[decision.effect](decision.effect))}${model}${wait}`,
    ...decision.reasons.map((reason) =>
      harmless(`${reason.code}: ${reason.message}${whetherCounted(reason)}`),
    ),
    ...shadow,
    ...admission,
    harmless(`by bundle ${formatBundle(bundle)}`),
  ];
  return texts.map((text) => ["answer", text]);
}

function holdRows({ reservation }: DecisionRecord): readonly Row[] {
  const { holds, held } = reservation;
  if (!held) return [["reserved", "nothing was held"]];
  if (holds.length === 0) return [["reserved", "no budget applies to it"]];
  return holds.map((hold) => ["reserved", harmless(`${amountWords(hold)} on ${hold.budget}`)]);
}

function amountWords({ amount, unit }: Pick<RecordedHold, "amount" | "unit">): string {
  if (unit !== "nano_usd") return amount === "1" ? `1 ${unit.slice(0, -1)}` : `${amount} ${unit}`;
  return formatMicroUsd(costMicroUsd(BigInt(amount)));
}

function laterRows(line: EntryRecord | ReportRecord, record: DecisionRecord): readonly Row[] {
  const after = formatWait(Math.max(0, line.at_ms - record.at_ms));
  const flags = line.flags.length === 0 ? "" : ` (${line.flags.join(", ")})`;
  if (line.kind === "report") {
    const usage = Object.entries(line.usage).filter(([, count]) => count > 0);
    const used = usage.map(([name, count]) => `${count} ${name}`).join(", ");
    const outcome = line.final ? `final, ${line.outcome}` : "so far";
    const text = `after ${after}: ${used || "no tokens"} on ${line.model === "" ? "the decided model" : line.model}, ${costOf(line)}, ${outcome}${flags}`;
    return [["reported", harmless(text)]];
  }
  return [[line.entry, harmless(`after ${after}: ${entryWords(line)}${flags}`)]];
}

function entryWords(entry: EntryRecord): string {
  switch (entry.entry) {
    case "settled":
    case "corrected":
      return `${costOf(entry)} charged so far`;
    case "released":
      return "what was held was given back, nothing charged";
    case "expired":
      return `no report came in time, ${costOf(entry)} charged`;
    case "reserved":
      return `${costOf(entry)} held`;
  }
}

/** Exact pico-USD for a person, rounded up. */
function costOf({ cost_pico_usd: cost }: { readonly cost_pico_usd: string }): string {
  const perMicro = PICO_PER_NANO * NANO_PER_MICRO;
  const pico = BigInt(cost);
  return formatMicroUsd(Number((pico + perMicro - 1n) / perMicro));
}

function openRows({ later, record }: Story): readonly Row[] {
  const { decision, reservation } = record;
  const isEnded = later.some(
    ({ record: line }) =>
      line.kind === "entry" && (line.entry !== "settled" || !line.flags.includes("partial")),
  );
  if (isEnded || !reservation.held) return [];
  return [
    [
      "open",
      `no final report yet; what is held ends by itself at ${stamp(decision.expires_at_ms)}`,
    ],
  ];
}

function proofRows({ checkpoint, later, number, record }: Story): readonly Row[] {
  const last = later.at(-1)?.number ?? number;
  const which = last === number ? `record ${number}` : `records ${number} to ${last}`;
  if (checkpoint === null || checkpoint.size < number) {
    return [["proof", `${which}; no signed checkpoint covers the decision yet`]];
  }
  const open =
    last <= checkpoint.size ? "" : ` (record ${checkpoint.size + 1} on will be by the next one)`;
  return [
    [
      "proof",
      `${which}, under the signed checkpoint of ${checkpoint.size}${open}: weir audit prove ${record.id}`,
    ],
  ];
}

function stamp(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
