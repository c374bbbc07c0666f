import { createHash } from "node:crypto";

import { WeirError } from "../../engine/errors.ts";
import type { RuleDescription } from "../../engine/policy/verdict.ts";

/** A rule that makes a set, as the compiler describes it. */
export interface RuleSource {
  readonly package: string;
  readonly rule: string;
  readonly file: string;
  readonly row: number;
  readonly title: string;
  readonly description: string;
  readonly custom: Readonly<Record<string, unknown>> | null;
  /** Names of the finding's parameters; null where the rule's head does not spell them out. */
  readonly params: readonly string[] | null;
}

/** Something wrong at a place of a source. */
export interface SourceFault {
  readonly file: string;
  /** From 1. */
  readonly row: number;
  readonly message: string;
}

/** "policies/org/rules/house/house.rego:12: …". */
export function formatFault({ file, row, message }: SourceFault): string {
  return `${file}:${row}: ${message}`;
}

/** What a rule that makes findings is called. */
export const KINDS: readonly string[] = ["deny", "throttle", "reroute", "oblige", "advise"];
const SEVERITIES = ["info", "warning", "error", "critical"];
const CURES = [undefined, "model", "none"];
const OBLIGATIONS = ["max_output_tokens", "service_tier", "strip", "header"];
/** Packages whose rules `weir.decision` collects. */
const CONCERN = /^(weir|org)\.rules\./;

/** Rules that make findings, out of all that make sets. */
export function findingRules(sources: readonly RuleSource[]): readonly RuleSource[] {
  return sources.filter(({ package: name, rule }) => CONCERN.test(name) && KINDS.includes(rule));
}

/** What is wrong with the descriptions of rules that make findings. */
export function describeFaults(sources: readonly RuleSource[]): readonly SourceFault[] {
  const seen = new Set<unknown>();
  return findingRules(sources).flatMap((source) => {
    const { file, row, custom } = source;
    const code = custom?.["code"];
    const messages = [...findFaults(source)];
    if (typeof code === "string" && seen.has(code)) messages.push(`code ${code} is used twice`);
    seen.add(code);
    return messages.map((message) => ({ file, message, row }));
  });
}

/** Describes every finding a policy can make, by code, or refuses the policy naming every fault. */
export function describeRules(sources: readonly RuleSource[]): Record<string, RuleDescription> {
  const faults = describeFaults(sources).map((fault) => formatFault(fault));
  if (faults.length > 0) {
    const violations = faults.map((description) => ({ field: "METADATA", description }));
    throw new WeirError("bundle.invalid", `rules are described wrongly:\n${faults.join("\n")}`, {
      violations,
    });
  }
  const rules = findingRules(sources).map(
    ({ custom, description, rule, title }): [string, RuleDescription] => [
      String(custom?.["code"]),
      {
        title,
        description: description.trim(),
        severity: String(custom?.["severity"]),
        kind: rule,
        message: String(custom?.["message"]).trim(),
      },
    ],
  );
  return Object.fromEntries(rules.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function findFaults({ rule, title, custom, params }: RuleSource): readonly string[] {
  const faults: string[] = [];
  const { code, severity, cure, message } = custom ?? {};
  if (title === "") faults.push("the rule has no title");
  if (typeof code !== "string" || code === "") faults.push("the rule has no custom.code");
  if (typeof message !== "string" || message === "") faults.push("the rule has no custom.message");
  if (!SEVERITIES.includes(severity as string)) {
    faults.push(`severity ${JSON.stringify(severity)} is not one of ${SEVERITIES.join(", ")}`);
  }
  if (!CURES.includes(cure as string | undefined))
    faults.push(`cure ${JSON.stringify(cure)} is not one of model, none`);
  if (params === null) return faults;
  for (const [, name = ""] of String(message).matchAll(/\{(\w+)\}/g)) {
    if (!params.includes(name))
      faults.push(`the message names {${name}}, which the rule does not produce`);
  }
  if (rule === "throttle" && !params.includes("retry_after_ms"))
    faults.push("a throttle must produce retry_after_ms");
  if (rule === "reroute" && !params.includes("model")) faults.push("a reroute must produce model");
  if (rule === "oblige" && !OBLIGATIONS.some((name) => params.includes(name))) {
    faults.push(`an oblige must produce one of ${OBLIGATIONS.join(", ")}`);
  }
  return faults;
}

/** Writes a bundle's `.manifest`: the same files and rules give the same text. */
export function writeManifest(
  wasm: Uint8Array,
  data: string,
  opaVersion: string,
  sources: readonly RuleSource[],
): string {
  const wasmSha256 = sha256(wasm);
  const dataSha256 = sha256(data);
  const own = sources.some(({ package: name }) => name.startsWith("org."));
  const manifest = {
    revision: sha256(`${wasmSha256}\n${dataSha256}\n`).slice(0, 12),
    roots: own ? ["config", "org", "weir"] : ["config", "weir"],
    wasm: [{ entrypoint: "weir/decision", module: "/policy.wasm" }],
    metadata: {
      weir: {
        opa_version: opaVersion,
        wasm_sha256: wasmSha256,
        data_sha256: dataSha256,
        rules: describeRules(sources),
      },
    },
  };
  return `${JSON.stringify(manifest, null, 1)}\n`;
}

function sha256(content: Uint8Array | string): string {
  return createHash("sha256").update(content).digest("hex");
}
