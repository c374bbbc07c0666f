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

const KINDS = ["deny", "throttle", "reroute", "oblige", "advise"];
const SEVERITIES = ["info", "warning", "error", "critical"];
const CURES = [undefined, "model", "none"];
const OBLIGATIONS = ["max_output_tokens", "service_tier", "strip", "header"];
/** Packages whose rules `weir.decision` collects. */
const CONCERN = /^(weir|org)\.rules\./;

/** Describes every finding a policy can make, by code, or refuses the policy naming every fault. */
export function describeRules(sources: readonly RuleSource[]): Record<string, RuleDescription> {
  const found = sources.filter(
    ({ package: name, rule }) => CONCERN.test(name) && KINDS.includes(rule),
  );
  const faults = found.flatMap((source) =>
    findFaults(source).map((fault) => `${source.file}:${source.row}: ${fault}`),
  );
  const rules = new Map<string, RuleDescription>();
  for (const source of found) {
    const code = String(source.custom?.["code"]);
    if (rules.has(code)) faults.push(`${source.file}:${source.row}: code ${code} is used twice`);
    rules.set(code, {
      title: source.title,
      description: source.description.trim(),
      severity: String(source.custom?.["severity"]),
      kind: source.rule,
      message: String(source.custom?.["message"]).trim(),
    });
  }
  if (faults.length > 0) {
    const violations = faults.map((description) => ({ field: "METADATA", description }));
    throw new WeirError("bundle.invalid", `rules are described wrongly:\n${faults.join("\n")}`, {
      violations,
    });
  }
  return Object.fromEntries([...rules].toSorted(([a], [b]) => (a < b ? -1 : 1)));
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
