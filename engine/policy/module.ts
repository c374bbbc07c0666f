import { createRequire } from "node:module";

import { WeirError } from "../errors.ts";

/** Memory of one policy instance: 64 KiB pages, 5 to start with, 128 MiB at most. */
const PAGES = { initial: 5, maximum: 2048 };

const { loadPolicySync } = createRequire(import.meta.url)("@open-policy-agent/opa-wasm") as {
  loadPolicySync: (module: WebAssembly.Module, memory: typeof PAGES) => LoadedPolicy;
};

/** Loads a module and its data document; a module that does not load is `bundle.invalid`. */
export function loadModule(wasm: Uint8Array, data: object): PolicyModule {
  try {
    const module = new WebAssembly.Module(wasm);
    return new PolicyModule(() => {
      const policy = loadPolicySync(module, { ...PAGES });
      policy.setData(data);
      return policy;
    });
  } catch (cause) {
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
 * A module with its data, evaluated by writing the input's text straight into its memory and reading
 * the result's bytes: a fifth cheaper than the library's own path, which encodes, copies and searches
 * bytewise.
 */
export class PolicyModule {
  readonly #instantiate: () => LoadedPolicy;
  #policy: LoadedPolicy;
  readonly #inputAt: number;
  #memory: Buffer;
  #spoilt = false;

  constructor(instantiate: () => LoadedPolicy) {
    this.#instantiate = instantiate;
    this.#policy = instantiate();
    this.#inputAt = (this.#policy.dataHeapPtr + 15) & ~15;
    this.#memory = Buffer.from(this.#policy.mem.buffer);
  }

  /** Number of each entrypoint, by its path: "weir/decision". */
  get entrypoints(): Readonly<Record<string, number>> {
    return this.#policy.entrypoints;
  }

  /** The module's memory as it is now; whatever runs may replace it. */
  get memory(): Buffer {
    return this.#memory;
  }

  /**
   * Evaluates an entrypoint on the JSON text of an input: where in memory the result's text begins,
   * which ends with a 0. Throws whatever the module throws: strings, objects, errors. What is thrown
   * through a module leaves its stack where it was and its memory as far as it had grown, so the next
   * evaluation gets a new instance.
   */
  run(entrypoint: number, inputText: string): number {
    if (this.#spoilt) this.#policy = this.#instantiate();
    this.#spoilt = true;
    const at = this.#run(entrypoint, inputText);
    this.#spoilt = false;
    return at;
  }

  #run(entrypoint: number, inputText: string): number {
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
      entrypoint,
      this.#policy.dataAddr,
      this.#inputAt,
      length,
      heap,
      0,
    );
    this.#renewView();
    return at;
  }

  /** The result of an entrypoint, parsed; undefined where the policy is. */
  evaluate(entrypoint: string, inputText: string): unknown {
    const number = this.entrypoints[entrypoint];
    if (number === undefined) throw new Error(`there is no entrypoint ${entrypoint}`);
    const start = this.run(number, inputText);
    const text = this.#memory.toString("utf8", start, this.#memory.indexOf(0, start));
    const [first] = JSON.parse(text) as readonly { readonly result: unknown }[];
    return first?.result;
  }

  /** Memory that grew detaches every earlier view of it. */
  #renewView(): void {
    if (this.#memory.buffer !== this.#policy.mem.buffer) {
      this.#memory = Buffer.from(this.#policy.mem.buffer);
    }
  }
}

/** opa-wasm throws strings, plain objects and errors of every kind. */
export function words(thrown: unknown): string {
  if (typeof thrown === "string") return thrown;
  if (thrown !== null && typeof thrown === "object" && "message" in thrown) {
    return String(thrown.message);
  }
  return String(thrown);
}
