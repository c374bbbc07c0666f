import { checkReader } from "../intent/claims.ts";
import { RECORD_VERSION } from "../record/record.ts";
import type { Caller } from "../weir.ts";
import { parseCosts } from "./parse-costs.ts";
import type { LedgerPorts } from "./reader.ts";

/** What became of costs that were sent. */
export interface ImportResult {
  readonly imported: number;
  /** Taken in before under the same source and id, or sent twice; they count once. */
  readonly duplicates: number;
}

/**
 * Takes costs that no model call caused into the log, all of a request or none of it; the caller needs
 * the role operator for every tenant they name.
 */
export async function importCosts(
  { clock, config, log, store }: LedgerPorts,
  raw: unknown,
  { principal }: Caller,
): Promise<ImportResult> {
  const { masking, principals } = config();
  const atMs = clock.nowMs();
  const costs = parseCosts(raw, atMs, masking?.fields ?? []);
  for (const tenant of new Set(costs.map((cost) => cost.tenant))) {
    checkReader(principals, principal, tenant, ["operator"]);
  }
  const fresh = new Map<string, (typeof costs)[number]>();
  for (const cost of costs) {
    const key = JSON.stringify([cost.source, cost.id]);
    if (fresh.has(key) || (await store.isImported(cost.source, cost.id))) continue;
    fresh.set(key, cost);
  }
  const lines = [...fresh.values()].map((cost) =>
    log.append({ ...cost, actor: principal, at_ms: atMs, kind: "imported", v: RECORD_VERSION }),
  );
  await Promise.all(lines);
  return { duplicates: costs.length - fresh.size, imported: fresh.size };
}
