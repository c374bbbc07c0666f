import { resolve } from "node:path";

import { WeirError } from "../../../engine/errors.ts";
import { buildPolicies } from "../../opa/compile.ts";
import { explainInOpa } from "../../opa/explain.ts";
import { withPolicyRoot } from "../../opa/policy-root.ts";
import { type Invocation, UsageError } from "../command.ts";
import { EXIT } from "../exit.ts";
import { readJson, unwrapIntent } from "../read-intent.ts";
import { configuredBundles } from "./cases/configured-bundle.ts";
import { memoryHost } from "./cases/memory-host.ts";
import { checkCase, type IntentJson, type PolicyCase } from "./cases/policy-case.ts";
import { tellCase } from "./cases/run-case.ts";
import { judgedOf } from "./cases/test-cases.ts";
import { type Explained, explainedToJson, renderExplained } from "./render-eval.ts";

/** Decides one intent, or one case, on a fresh state, and shows which rules held and why. */
export async function run({ flags, json, positionals, terminal }: Invocation): Promise<number> {
  const file = positionals["FILE"] ?? "";
  const given = givenBy(await readJson(terminal, file), file);
  const folder = resolve(terminal.cwd, flags["dir"] ?? ".");
  const explained = await withPolicyRoot(folder, ({ root }) => explain(root, given));
  const rule = flags["rule"];
  const rules = explained.judged.flatMap((one) => one.rules);
  if (rule !== undefined && rules.every(({ code }) => code !== rule)) {
    const codes = [...new Set(rules.map(({ code }) => code))].toSorted().join(", ");
    throw new UsageError(`--rule: no rule has the code ${rule}; they are ${codes}`);
  }
  const shown = rule === undefined ? { all: flags["all"] !== undefined } : { rule };
  terminal.print(
    json
      ? explainedToJson(explained)
      : renderExplained(explained, { ...shown, color: terminal.color }),
  );
  return EXIT.ok;
}

/** A case tells what happened before, an intent stands alone. */
function givenBy(document: unknown, file: string): PolicyCase["given"] {
  if (typeof document === "object" && document !== null && "given" in document) {
    return checkCase(document, file).given;
  }
  const intent = unwrapIntent(document);
  if (typeof intent === "object" && intent !== null && !Array.isArray(intent))
    return { intent: intent as IntentJson };
  throw new WeirError("intent.invalid", `${file} is neither an intent nor a case`);
}

async function explain(root: string, given: PolicyCase["given"]): Promise<Explained> {
  const bundle = configuredBundles(await buildPolicies(root))(given.config);
  const { decision, record } = await tellCase(given, memoryHost(given, bundle));
  const judged = judgedOf(given, record);
  const rules = await explainInOpa(root, judged);
  return {
    decision,
    judged: record.evaluations.map(({ model }, index) => ({
      model,
      rules: rules[index] ?? [],
      verdict: judged[index]?.verdict ?? null,
    })),
  };
}
