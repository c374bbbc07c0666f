import { createRequire } from "node:module";

import { WeirError } from "../errors.ts";
import { CanonicalText, canonicalJson } from "../record/canonical.ts";
import { verdictFault } from "./check-verdict.ts";
import type { Verdict } from "./verdict.ts";

const { loadPolicySync } = createRequire(import.meta.url)("@open-policy-agent/opa-wasm") as {
  loadPolicySync: (wasm: Uint8Array, memory: WebAssembly.Memory) => LoadedPolicy;
};

const ENTRYPOINT = "weir/decision";
/** Memory of one policy instance: 64 KiB pages, 5 to start with, 128 MiB at most. */
const PAGES = { initial: 5, maximum: 2048 };

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
  try {
    const policy = loadPolicySync(wasm, new WebAssembly.Memory(PAGES));
    policy.setData(data);
    return new WasmEvaluator(policy);
  } catch (cause) {
    if (cause instanceof WeirError) throw cause;
    throw new WeirError("bundle.invalid", `policy.wasm does not load: ${words(cause)}`, { cause });
  }
}

/**
 * opa-wasm's LoadedPolicy. Only `setData` is of its documented surface; the version is pinned, and a
 * test runs the same inputs through the documented `evaluate` as well.
 */
interface LoadedPolicy {
  setData(data: object): void;
  readonly entrypoints: Readonly<Record<string, number>>;
  readonly mem: WebAssembly.Memory;
  readonly dataAddr: number;
  readonly dataHeapPtr: number;
  readonly wasmInstance: {
    readonly exports: {
      opa_eval(
        reserved: number,
        entrypoint: number,
        data: number,
        input: number,
        inputLength: number,
        heap: number,
        format: number,
      ): number;
    };
  };
}

/**
 * Writes the input's text straight into the module's memory and reads the result's bytes: a fifth
 * cheaper than the library's own path, which encodes, copies and searches bytewise.
 */
class WasmEvaluator implements Evaluator {
  readonly #policy: LoadedPolicy;
  readonly #entrypoint: number;
  readonly #inputAt: number;
  #memory: Buffer;
  /** Result bytes of the last plain allow, and what they parse to: most results are the same bytes. */
  #plainBytes: Buffer | null = null;
  #plainVerdict: Evaluated | null = null;

  constructor(policy: LoadedPolicy) {
    const entrypoint = policy.entrypoints[ENTRYPOINT];
    if (entrypoint === undefined) {
      const known = Object.keys(policy.entrypoints).join(", ");
      throw new WeirError(
        "bundle.invalid",
        `policy.wasm has no entrypoint ${ENTRYPOINT}, only ${known}`,
      );
    }
    this.#policy = policy;
    this.#entrypoint = entrypoint;
    this.#inputAt = (policy.dataHeapPtr + 15) & ~15;
    this.#memory = Buffer.from(policy.mem.buffer);
  }

  evaluate(inputText: string): Evaluated {
    try {
      const start = this.#run(inputText);
      const plain = this.#plainBytes;
      if (plain !== null && this.#plainVerdict !== null) {
        const same =
          this.#memory.compare(plain, 0, plain.length, start, start + plain.length) === 0;
        if (same) return this.#plainVerdict;
      }
      const end = this.#memory.indexOf(0, start);
      const evaluated = decode(this.#memory.toString("utf8", start, end));
      if (evaluated.verdict !== null && isPlainAllow(evaluated.verdict)) {
        this.#plainBytes = Buffer.from(this.#memory.subarray(start, end + 1));
        this.#plainVerdict = evaluated;
      }
      return evaluated;
    } catch (thrown) {
      return fault(words(thrown));
    }
  }

  #run(inputText: string): number {
    const needed = this.#inputAt + inputText.length * 3 + 16;
    this.#renewView();
    if (needed > this.#memory.length) {
      this.#policy.mem.grow(Math.ceil((needed - this.#memory.length) / 65_536));
      this.#renewView();
    }
    const length = this.#memory.write(inputText, this.#inputAt, "utf8");
    const heap = (this.#inputAt + length + 15) & ~15;
    const at = this.#policy.wasmInstance.exports.opa_eval(
      0,
      this.#entrypoint,
      this.#policy.dataAddr,
      this.#inputAt,
      length,
      heap,
      0,
    );
    this.#renewView();
    return at;
  }

  /** Memory that grew detaches every earlier view of it. */
  #renewView(): void {
    if (this.#memory.buffer !== this.#policy.mem.buffer) {
      this.#memory = Buffer.from(this.#policy.mem.buffer);
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

/** opa-wasm throws strings, plain objects and errors of every kind. */
function words(thrown: unknown): string {
  if (typeof thrown === "string") return thrown;
  if (thrown !== null && typeof thrown === "object" && "message" in thrown) {
    return String(thrown.message);
  }
  return String(thrown);
}
