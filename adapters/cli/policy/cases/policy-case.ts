import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { WeirError } from "../../../../engine/errors.ts";
import type { BundleData } from "../../../../engine/policy/bundle-data.ts";
import { findFaults } from "../../../opa/match-schema.ts";
import type { Schema } from "../../../opa/parity/schema.ts";
import { LIBRARY } from "../../../opa/policy-root.ts";

/** An intent as JSON, in the names of the proto. */
export type IntentJson = Readonly<Record<string, unknown>>;

/** What happened before the intent, a step after the other. */
export type CaseStep =
  | {
      /** Members that differ from the case's intent. */
      readonly call: IntentJson;
      /** How often, each with an id of its own; default 1. */
      readonly times?: number;
      /** How long after the one before, ms; default 0. */
      readonly every_ms?: number;
      /** What each then really used; without it they stay open. */
      readonly report?: { readonly input: number; readonly output: number };
    }
  | { readonly freeze: string; readonly reason: string }
  | { readonly grant: string; readonly amount_micro_usd: number; readonly for_ms: number }
  | { readonly wait_ms: number };

/** One case: what is given and what is wanted. `policies/schemas/case.json` describes the file. */
export interface PolicyCase {
  readonly description: string;
  readonly given: {
    /** When the story begins; default 2026-11-25T12:00:00Z. */
    readonly now?: string;
    readonly mode?: "enforce" | "shadow";
    /** Sections that stand in the place of the bundle's. */
    readonly config?: Partial<BundleData>;
    readonly principal?: string;
    readonly state?: readonly CaseStep[];
    readonly intent: IntentJson;
  };
  readonly want: {
    readonly effect: "allow" | "reroute" | "throttle" | "block";
    /** What runs. */
    readonly model?: string;
    /** Codes, the most severe first; "CODE (shadow)" and "CODE (waiver ID)" did not count. */
    readonly reasons: readonly string[];
    /** A text that the reasons' messages hold, by code. */
    readonly messages?: Readonly<Record<string, string>>;
    readonly obligations?: Readonly<Record<string, unknown>>;
    readonly retry_after_ms?: number;
    readonly record?: {
      readonly held?: boolean;
      /** Models judged, in order. */
      readonly judged?: readonly string[];
      /** Budgets it falls under. */
      readonly budgets?: readonly string[];
      readonly would_be?: string | null;
      readonly admission?: string;
    };
  };
}

/** A case and the file it stands in. */
export interface CaseFile {
  readonly file: string;
  readonly case: PolicyCase;
}

/** Reads every case of a folder; a file that is none is `config.invalid`, with what is wrong in it. */
export function readCases(folder: string): readonly CaseFile[] {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  return names
    .filter((name) => name.endsWith(".json"))
    .toSorted()
    .map((file) => ({ case: checkCase(parse(join(folder, file), file), file), file }));
}

/** What a file holds, as a case; `config.invalid` if it is none. */
export function checkCase(document: unknown, file: string): PolicyCase {
  const schema = JSON.parse(readFileSync(join(LIBRARY, "schemas/case.json"), "utf8")) as Schema;
  const faults = findFaults(document, schema, "case");
  if (faults.length === 0) return document as PolicyCase;
  throw new WeirError("config.invalid", `case ${file}: ${faults[0] ?? ""}`, {
    violations: faults.map((description) => ({ description, field: file })),
  });
}

function parse(path: string, file: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    const message = `case ${file} is not JSON: ${(cause as Error).message}`;
    throw new WeirError("config.invalid", message, { cause });
  }
}
