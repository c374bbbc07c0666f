import { createHash } from "node:crypto";

import { WeirError } from "../errors.ts";
import type { EstimateData } from "../pricing/estimate.ts";
import { openPriceBook } from "../pricing/price-book.ts";
import { type BudgetPlan, planBudgets } from "../reservation/budgets.ts";
import { planScopes, type ScopePlan } from "../velocity/scopes.ts";
import type { BundleData } from "./bundle-data.ts";
import { checkData } from "./check-data.ts";
import { namedCodes } from "./check-exceptions.ts";
import { type Evaluator, openEvaluator } from "./evaluate.ts";
import { type LocalTimes, openLocalTimes } from "./local-time.ts";
import type { RuleDescription } from "./verdict.ts";

/** The files of a bundle as they lie on disk. */
export interface BundleFiles {
  readonly wasm: Uint8Array;
  /** `data.json`, text. */
  readonly data: string;
  /** `.manifest`, text. */
  readonly manifest: string;
}

/** Everything a decision depends on except the intent and the state, checked and ready. */
export interface Bundle {
  readonly revision: string;
  /** SHA-256 over the digests of policy.wasm and data.json, lower-case hex. */
  readonly digest: string;
  readonly data: BundleData;
  readonly rules: Readonly<Record<string, RuleDescription>>;
  /** Catalogue, learned figures and price book: what an estimate needs. */
  readonly pricing: EstimateData;
  readonly budgets: BudgetPlan;
  readonly scopes: ScopePlan;
  readonly localTimes: LocalTimes;
  readonly policy: Evaluator;
}

interface Manifest {
  readonly revision?: string;
  readonly metadata?: {
    readonly weir?: {
      readonly wasm_sha256?: string;
      readonly data_sha256?: string;
      readonly rules?: Readonly<Record<string, RuleDescription>>;
    };
  };
}

/** Opens a bundle or refuses it whole (`bundle.invalid`), naming what is wrong. */
export function openBundle(files: BundleFiles): Bundle {
  const steps = openInSteps(files);
  for (let step = steps.next(); ; step = steps.next()) if (step.done === true) return step.value;
}

/** The same a step at a time, so that decisions go on in between. */
export function* openInSteps(files: BundleFiles): Generator<void, Bundle> {
  const manifest = parseJson(".manifest", files.manifest) as Manifest;
  const weir = manifest.metadata?.weir;
  const wasmSha256 = sha256(files.wasm);
  const dataSha256 = sha256(files.data);
  expectDigest("policy.wasm", weir?.wasm_sha256, wasmSha256);
  expectDigest("data.json", weir?.data_sha256, dataSha256);
  yield;
  const document = parseJson("data.json", files.data) as { readonly config?: BundleData };
  const data = document.config;
  if (data === undefined) throw new WeirError("bundle.invalid", "data.json holds no config");
  checkData(data);
  expectKnownCodes(data, weir?.rules ?? {});
  yield;
  const priceBook = openPriceBook(data.prices);
  yield;
  const budgets = planBudgets(data.budgets);
  const scopes = planScopes(data.velocity);
  yield;
  return {
    revision: manifest.revision ?? "",
    digest: digestOf(wasmSha256, dataSha256),
    data,
    rules: weir?.rules ?? {},
    pricing: { models: data.models, estimates: data.estimates, priceBook },
    budgets,
    scopes,
    localTimes: openLocalTimes(data.zones ?? {}),
    policy: openEvaluator(files.wasm, document),
  };
}

/** The digest that the bundle of these files has, whether it opens or not. */
export function bundleDigest(files: BundleFiles): string {
  return digestOf(sha256(files.wasm), sha256(files.data));
}

function digestOf(wasmSha256: string, dataSha256: string): string {
  return sha256(`${wasmSha256}\n${dataSha256}\n`);
}

/** A mode or a waiver for a code that no rule has would change nothing, and nobody would notice. */
function expectKnownCodes(
  data: BundleData,
  rules: Readonly<Record<string, RuleDescription>>,
): void {
  const unknown = namedCodes(data).filter(({ code }) => !Object.hasOwn(rules, code));
  const [first] = unknown;
  if (first === undefined) return;
  const codes = unknown.filter(({ field }) => field === first.field).map(({ code }) => code);
  const message = `data refused: ${first.field} names ${codes.join(", ")}; no rule has that code`;
  throw new WeirError("bundle.invalid", message);
}

function expectDigest(file: string, wanted: string | undefined, actual: string): void {
  if (wanted === actual) return;
  const message = `${file} has digest ${actual}, the manifest says ${wanted ?? "nothing"}`;
  throw new WeirError("bundle.invalid", message);
}

function parseJson(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new WeirError("bundle.invalid", `${file} is not JSON`, { cause });
  }
}

function sha256(content: Uint8Array | string): string {
  return createHash("sha256").update(content).digest("hex");
}
