/** A number of a document that JavaScript cannot hold exactly, and where it stands. */
export interface UnsafeNumber {
  /** As in "config.limits.run_micro_usd". */
  readonly path: string;
  /** As it is written. */
  readonly text: string;
}

/** Finds whole numbers beyond ±(2^53−1) in a JSON text: they would be other numbers once read. */
export function findUnsafeNumbers(json: string): readonly UnsafeNumber[] {
  const unsafe: UnsafeNumber[] = [];
  const held = new Map<unknown, readonly UnsafeNumber[]>();
  // A reviver meets the innermost values first and is told how each was written.
  const revive = function (this: unknown, key: string, value: unknown, context?: Source): unknown {
    const found: UnsafeNumber[] = [];
    if (typeof value === "number" && isUnsafe(value))
      found.push({ path: key, text: context?.source ?? String(value) });
    for (const { path, text } of held.get(value) ?? []) {
      found.push({ path: key === "" ? path : `${key}.${path}`, text });
    }
    if (found.length > 0) held.set(this, [...(held.get(this) ?? []), ...found]);
    if (key === "") unsafe.push(...found);
    return value;
  };
  JSON.parse(json, revive as (key: string, value: unknown) => unknown);
  return unsafe;
}

/** What a reviver is told beside the value; TypeScript's library does not know of it. */
interface Source {
  readonly source?: string;
}

function isUnsafe(value: number): boolean {
  return !Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value));
}
