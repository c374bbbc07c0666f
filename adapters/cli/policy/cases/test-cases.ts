import { isDeepStrictEqual } from "node:util";

import { WeirError } from "../../../../engine/errors.ts";
import type { BundleFiles } from "../../../../engine/policy/bundle.ts";
import type { Verdict } from "../../../../engine/policy/verdict.ts";
import type { DecisionRecord } from "../../../../engine/record/record.ts";
import type { Answered, Configured } from "../../../opa/evaluate-in-opa.ts";
import { configuredBundles } from "./configured-bundle.ts";
import { memoryHost } from "./memory-host.ts";
import type { CaseFile, PolicyCase } from "./policy-case.ts";
import { runCase } from "./run-case.ts";

/** A case, and how it went. */
export interface CaseOutcome {
  readonly file: string;
  readonly description: string;
  /** What is not as wanted, in words; none: it is. */
  readonly faults: readonly string[];
  /** Where OPA judges an input of the case otherwise than the compiled policy, in words; else null. */
  readonly difference: string | null;
}

/** What a policy was shown and what it made of it. */
export interface Judged extends Configured {
  /** null: the policy failed. */
  readonly verdict: Verdict | null;
}

/** Runs cases on a bundle in memory, then asks OPA about every input that they showed the policy. */
export async function testCases(
  cases: readonly CaseFile[],
  files: BundleFiles,
  askOpa: (asked: readonly Configured[]) => Promise<readonly Answered[]>,
): Promise<readonly CaseOutcome[]> {
  const bundleOf = configuredBundles(files);
  const told: (Omit<CaseOutcome, "difference"> & { readonly judged: readonly Judged[] })[] = [];
  for (const { case: one, file } of cases) {
    const { description } = one;
    try {
      const host = memoryHost(one.given, bundleOf(one.given.config));
      const { faults, record } = await runCase(one, host);
      told.push({ description, faults, file, judged: judgedOf(one.given, record) });
    } catch (thrown) {
      told.push({ description, faults: refusal(WeirError.from(thrown)), file, judged: [] });
    }
  }
  const asked = told.flatMap(({ judged }) => judged);
  const answers = asked.length === 0 ? [] : await askOpa(asked);
  const answerTo = new Map(asked.map((one, index) => [one, answers[index]]));
  return told.map(({ judged, ...outcome }) => {
    const [difference = null] = judged.flatMap((one) => differenceOf(one, answerTo.get(one)));
    return { ...outcome, difference };
  });
}

function refusal({ code, message, violations }: WeirError): readonly string[] {
  const more = violations.slice(1).map((each) => `  ${each.field}: ${each.description}`);
  return [`refused: ${code}: ${message}`, ...more];
}

/** Every input that a case showed the policy, under the case's configuration. */
export function judgedOf(
  { config = {} }: PolicyCase["given"],
  { evaluations }: DecisionRecord,
): readonly Judged[] {
  return evaluations.map(({ input, verdict }) => ({
    config,
    input,
    verdict: verdict as Verdict | null,
  }));
}

function differenceOf({ verdict }: Judged, answer: Answered | undefined): readonly string[] {
  if (answer === undefined) return ["OPA gave no answer"];
  if ("fault" in answer) {
    return verdict === null ? [] : [`OPA fails, the compiled policy does not: ${answer.fault}`];
  }
  if (isDeepStrictEqual(answer.value, verdict)) return [];
  return [`OPA says ${JSON.stringify(answer.value)}, WASM ${JSON.stringify(verdict)}`];
}
