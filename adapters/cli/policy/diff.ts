import { existsSync } from "node:fs";
import { resolve } from "node:path";

import { WeirError } from "../../../engine/errors.ts";
import type { BundleFiles } from "../../../engine/policy/bundle.ts";
import { type Invocation, UsageError } from "../command.ts";
import { EXIT } from "../exit.ts";
import { harmless, type Style, styleOf } from "../style.ts";
import { configuredBundles } from "./cases/configured-bundle.ts";
import { memoryHost } from "./cases/memory-host.ts";
import { type CaseFile, readCases } from "./cases/policy-case.ts";
import { reasonOf, tellCase } from "./cases/run-case.ts";
import { counted } from "./count.ts";
import { type Change, ruleChanges, valueChanges } from "./diff/changes.ts";
import { readBundle } from "./read-bundle.ts";

/** What two bundles do not have in common. */
interface BundleDiff {
  readonly rules: readonly Change[];
  readonly data: readonly Change[];
  /** The compiled policies differ: the rules may judge otherwise under the same description. */
  readonly compiled: boolean;
  /** Cases told to both. */
  readonly cases: number;
  readonly decisions: readonly (Change & { readonly description: string })[];
}

/** Compares two bundles; exit code 1 if they differ, as diff has it. */
export async function run({ flags, json, positionals, terminal }: Invocation): Promise<number> {
  const [one, other] = ["OLD", "NEW"].map((name) => readBundle(positionals[name] ?? "", terminal));
  if (one === undefined || other === undefined) throw new UsageError("two bundles are compared");
  const cases = casesIn(flags["cases"], terminal.cwd);
  const diff: BundleDiff = {
    cases: cases.length,
    compiled: !Buffer.from(one.files.wasm).equals(other.files.wasm),
    data: valueChanges(dataOf(one.files), dataOf(other.files), "data"),
    decisions: await decisionChanges(cases, one.files, other.files),
    rules: ruleChanges(one.bundle.rules, other.bundle.rules),
  };
  const alike = one.bundle.digest === other.bundle.digest && diff.rules.length === 0;
  terminal.print(json ? JSON.stringify({ alike, ...diff }) : toText(diff, alike, terminal.color));
  return alike ? EXIT.ok : EXIT.fault;
}

function casesIn(flag: string | undefined, cwd: string): readonly CaseFile[] {
  const folder = resolve(cwd, flag ?? "cases");
  if (existsSync(folder)) return readCases(folder);
  if (flag !== undefined) throw new UsageError(`--cases: there is no folder ${flag}`);
  return [];
}

function dataOf({ data }: BundleFiles): unknown {
  return JSON.parse(data);
}

async function decisionChanges(
  cases: readonly CaseFile[],
  one: BundleFiles,
  other: BundleFiles,
): Promise<BundleDiff["decisions"]> {
  const [before, after] = [configuredBundles(one), configuredBundles(other)];
  const changes: (Change & { readonly description: string })[] = [];
  for (const { case: told, file } of cases) {
    const [was, is] = [await decided(told, before), await decided(told, after)];
    if (was !== is)
      changes.push({ after: is, at: file, before: was, description: told.description });
  }
  return changes;
}

/** "block: budget.exhausted", "reroute to openai:gpt-5-mini", or why the bundle takes no such case. */
async function decided(
  { given }: CaseFile["case"],
  bundleOf: ReturnType<typeof configuredBundles>,
): Promise<string> {
  try {
    const { decision } = await tellCase(given, memoryHost(given, bundleOf(given.config)));
    const { askedModel, effect, model, obligations, reasons } = decision;
    const to = effect === "reroute" && model !== askedModel ? ` to ${model}` : "";
    const why = reasons.length === 0 ? "" : `: ${reasons.map(reasonOf).join(", ")}`;
    const under =
      Object.keys(obligations).length === 0 ? "" : ` under ${JSON.stringify(obligations)}`;
    return `${effect}${to}${why}${under}`;
  } catch (thrown) {
    const { code, message } = WeirError.from(thrown);
    return `refused: ${code}: ${message}`;
  }
}

const SHOWN_MAX = 40;

function toText(diff: BundleDiff, alike: boolean, color: boolean): string {
  const style = styleOf(color);
  if (alike) return style.green("the bundles are alike");
  const { cases, compiled, data, decisions, rules } = diff;
  return [
    ...section("rules", rules, style),
    ...(compiled && rules.length === 0
      ? ["the compiled policy differs, its rules are described alike"]
      : []),
    ...section("data", data, style),
    ...decisions.flatMap(({ after, at, before, description }) => [
      `${style.bold(harmless(at))}  ${harmless(description)}`,
      `  ${style.red(`- ${harmless(String(before))}`)}`,
      `  ${style.green(`+ ${harmless(String(after))}`)}`,
    ]),
    [
      counted(rules.length, "difference") + " of rules",
      `${data.length} of data`,
      cases === 0
        ? "no cases (--cases DIR)"
        : `${decisions.length} of ${counted(cases, "case")} decided otherwise`,
    ].join(", "),
  ].join("\n");
}

function section(title: string, changes: readonly Change[], style: Style): readonly string[] {
  if (changes.length === 0) return [];
  const shown = changes
    .slice(0, SHOWN_MAX)
    .flatMap(({ after, at, before }) => [
      `  ${harmless(at)}`,
      ...(before === undefined ? [] : [`    ${style.red(`- ${show(before)}`)}`]),
      ...(after === undefined ? [] : [`    ${style.green(`+ ${show(after)}`)}`]),
    ]);
  const more =
    changes.length > SHOWN_MAX ? [`  and ${changes.length - SHOWN_MAX} more (--json has all)`] : [];
  return [style.bold(title), ...shown, ...more];
}

const VALUE_MAX = 160;

function show(value: unknown): string {
  const text = harmless(JSON.stringify(value));
  return text.length <= VALUE_MAX ? text : `${text.slice(0, VALUE_MAX)}…`;
}
