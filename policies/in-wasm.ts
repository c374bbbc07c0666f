import { createRequire } from "node:module";

import type { LoadedPolicy } from "@open-policy-agent/opa-wasm";

const { loadPolicySync } = createRequire(import.meta.url)("@open-policy-agent/opa-wasm") as {
  loadPolicySync: (wasm: Uint8Array, memory: { readonly initial: number }) => LoadedPolicy;
};

/** Loads a module with its data and answers by the library's documented path; undefined stays so. */
export function loadInWasm(
  wasm: Uint8Array,
  data: object,
): (input: unknown, entrypoint: string) => unknown {
  const policy = loadPolicySync(wasm, { initial: 20 });
  policy.setData(data);
  return (input, entrypoint) => {
    const results = policy.evaluate(input as object, entrypoint) as readonly {
      readonly result: unknown;
    }[];
    return results[0]?.result;
  };
}
