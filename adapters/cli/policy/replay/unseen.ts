import { isDeepStrictEqual } from "node:util";

import type { BundleData } from "../../../../engine/policy/bundle-data.ts";

/**
 * Sections of the configuration that the engine works facts out from before a policy sees them: what
 * a log recorded holds the facts of its own time.
 */
const FACTS_COME_FROM = [
  "budgets",
  "estimates",
  "models",
  "prices",
  "principals",
  "routes",
  "velocity",
  "zones",
] as const satisfies readonly (keyof BundleData)[];

/** Sections whose change a replay cannot show. */
export function unseenSections(decided: BundleData, candidate: BundleData): readonly string[] {
  return FACTS_COME_FROM.filter((name) => !isDeepStrictEqual(decided[name], candidate[name]));
}
