import { WeirError } from "../../engine/errors.ts";
import { LIMITS } from "../../engine/limits.ts";

/** A policy input that a bundle brings along to be tried with, and what it has to decide. */
export interface SmokeCase {
  readonly name: string;
  /** JSON text of a policy input. */
  readonly text: string;
  /** Effect of the verdict; null: any but a fault. */
  readonly effect: string | null;
}

export const SMOKE = "smoke.json";
const EFFECTS = ["allow", "throttle", "block"];

/**
 * Reads `smoke.json` of a bundle: `[{"name", "input", "effect"}]`, the effect being the verdict's on
 * the model asked for. Anything else is `bundle.invalid`.
 */
export function readSmokeCases(text: string): readonly SmokeCase[] {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (cause) {
    throw new WeirError("bundle.invalid", `${SMOKE} is not JSON`, { cause });
  }
  if (!Array.isArray(document)) throw refused("is not a list of cases");
  if (document.length > LIMITS.smokeCases) {
    throw refused(`holds ${document.length} cases, at most ${LIMITS.smokeCases} are accepted`);
  }
  return document.map((one: unknown, index) => {
    const { effect, input, name } = Object(one) as Readonly<Record<string, unknown>>;
    if (typeof name !== "string" || name === "") throw refused(`case ${index + 1} has no name`);
    if (input === null || typeof input !== "object") throw refused(`${name}: input is no object`);
    if (effect !== undefined && !EFFECTS.includes(effect as string)) {
      throw refused(
        `${name}: effect ${JSON.stringify(effect)}; accepted are ${EFFECTS.join(", ")}`,
      );
    }
    return { effect: (effect as string | undefined) ?? null, name, text: JSON.stringify(input) };
  });
}

function refused(what: string): WeirError {
  return new WeirError("bundle.invalid", `${SMOKE} ${what}`);
}
