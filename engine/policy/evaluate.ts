import { WeirError } from "../errors.ts";
import { CanonicalText, canonicalJson } from "../record/canonical.ts";
import { verdictFault } from "./check-verdict.ts";
import { loadModule, type PolicyModule, words } from "./module.ts";
import type { Verdict } from "./verdict.ts";

const ENTRYPOINT = "weir/decision";

/** A compiled policy, loaded with its data. */
export interface Evaluator {
  /**
   * Evaluates `data.weir.decision` on the JSON text of a PolicyInput. Never throws: whatever goes
   * wrong (a throw of any kind, undefined, a malformed result) is `fault`, in words.
   */
  evaluate(inputText: string): Evaluated;
}

export type Evaluated =
  | {
      readonly verdict: Verdict;
      /** The verdict as canonical JSON, for the record. */
      readonly text: CanonicalText;
      readonly fault: null;
    }
  | { readonly verdict: null; readonly text: null; readonly fault: string };

/** Loads a module and its data document; a module that does not load is `bundle.invalid`. */
export function openEvaluator(wasm: Uint8Array, data: object): Evaluator {
  const module = loadModule(wasm, data);
  const entrypoint = module.entrypoints[ENTRYPOINT];
  if (entrypoint !== undefined) return new WasmEvaluator(module, entrypoint);
  const known = Object.keys(module.entrypoints).join(", ");
  throw new WeirError(
    "bundle.invalid",
    `policy.wasm has no entrypoint ${ENTRYPOINT}, only ${known}`,
  );
}

class WasmEvaluator implements Evaluator {
  readonly #module: PolicyModule;
  readonly #entrypoint: number;
  /** Result bytes of the last plain allow, and what they parse to: most results are the same bytes. */
  #plainBytes: Buffer | null = null;
  #plainVerdict: Evaluated | null = null;

  constructor(module: PolicyModule, entrypoint: number) {
    this.#module = module;
    this.#entrypoint = entrypoint;
  }

  evaluate(inputText: string): Evaluated {
    try {
      const start = this.#module.run(this.#entrypoint, inputText);
      const { memory } = this.#module;
      const plain = this.#plainBytes;
      if (plain !== null && this.#plainVerdict !== null) {
        const same = memory.compare(plain, 0, plain.length, start, start + plain.length) === 0;
        if (same) return this.#plainVerdict;
      }
      const end = memory.indexOf(0, start);
      const evaluated = decode(memory.toString("utf8", start, end));
      if (evaluated.verdict !== null && isPlainAllow(evaluated.verdict)) {
        this.#plainBytes = Buffer.from(memory.subarray(start, end + 1));
        this.#plainVerdict = evaluated;
      }
      return evaluated;
    } catch (thrown) {
      return fault(words(thrown));
    }
  }
}

function decode(resultText: string): Evaluated {
  const results: unknown = JSON.parse(resultText);
  const first: unknown = Array.isArray(results) ? results[0] : undefined;
  if (first === undefined) return fault("the policy is undefined for this input");
  const { result } = first as { readonly result?: unknown };
  const wrong = verdictFault(result);
  if (wrong !== null) return fault(wrong);
  return {
    fault: null,
    text: new CanonicalText(canonicalJson(result)),
    verdict: result as Verdict,
  };
}

function fault(what: string): Evaluated {
  return { fault: what, text: null, verdict: null };
}

function isPlainAllow(verdict: Verdict): boolean {
  return verdict.effect === "allow" && verdict.reasons.length === 0 && verdict.routes.length === 0;
}
