import type { Bundle } from "../../engine/policy/bundle.ts";
import type { Config } from "../config.ts";

/**
 * Why a bundle cannot decide on this state; null: it can. Salts are kept by each node: on a shared
 * state one person would be another on every node.
 */
export function splitPersons({ state }: Config, bundle: Bundle): string | null {
  const fields = bundle.data.masking?.fields ?? [];
  const counted = fields.find((path) => path.startsWith("attribution."));
  if (state.kind === "memory" || counted === undefined) return null;
  return `the bundle masks ${counted}, and the state is shared by nodes that do not share salts; accepted is state memory`;
}
