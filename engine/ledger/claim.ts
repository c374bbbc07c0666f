import { TOKEN_CLASSES } from "../pricing/rates.ts";
import type { DecisionRecord } from "../record/record.ts";
import type { PriceBooks } from "./charge.ts";
import {
  type DecisionFacts,
  factsOf,
  unknownFacts,
  type UnclaimedEntry,
} from "./decision-facts.ts";
import { type Derived, deriveDecision, deriveEntry, difference, reportKeyOf } from "./derive.ts";
import { type LedgerEntry, NO_TOKENS, type Place, type PriceRow } from "./ledger-entry.ts";

/**
 * A decision that comes after entries of its own: in a fleet one node may settle what another decided,
 * and be stored first. What those entries charged to nobody is taken back at their time and charged to
 * whom the decision names. A decision that was known already changes nothing but what it holds.
 */
export function deriveLateDecision(
  record: DecisionRecord,
  place: Place,
  before: DecisionFacts,
  books: PriceBooks,
): Derived {
  const made = deriveDecision(record, place);
  if (before.unclaimed === undefined) return { ...made, facts: before };
  const entries: LedgerEntry[] = [];
  let priceRow: PriceRow | null = null;
  let nobody = unknownFacts(before.id, before.at_ms);
  let owner = factsOf(record);
  for (const unclaimed of before.unclaimed) {
    const { entry } = unclaimed;
    const taken = deriveEntry(entry, place, waitingFor(unclaimed, nobody), () => null);
    const given = deriveEntry(entry, place, waitingFor(unclaimed, owner), books);
    entries.push(...taken.entries.map(reversed), ...given.entries.map(claimed));
    nobody = taken.facts ?? nobody;
    owner = given.facts ?? owner;
    priceRow = given.priceRow ?? priceRow;
  }
  const moved = entries
    .filter(addsSomething)
    .map((entry, index) => ({ ...entry, part: made.entries.length + index }));
  return {
    entries: [...made.entries, ...moved],
    facts: { ...owner, reports: before.reports },
    priceRow,
  };
}

/** The facts as they were when the entry came. */
function waitingFor({ entry, report }: UnclaimedEntry, facts: DecisionFacts): DecisionFacts {
  const key = reportKeyOf(entry);
  return { ...facts, reports: key === null || report === null ? {} : { [key]: report } };
}

function reversed(entry: LedgerEntry): LedgerEntry {
  const { calls, costPicoUsd, detail, id, okCalls, tokens } = entry;
  return {
    ...entry,
    // A zero stays a plain zero.
    calls: 0 - calls,
    costPicoUsd: -costPicoUsd,
    detail: { ...detail, flags: [...detail.flags, "reversal"], postings: [] },
    id: `${id}:unclaimed`,
    okCalls: 0 - okCalls,
    tokens: difference(NO_TOKENS, tokens),
  };
}

function claimed(entry: LedgerEntry): LedgerEntry {
  return { ...entry, detail: { ...entry.detail, postings: [] }, id: `${entry.id}:claimed` };
}

function addsSomething({ calls, costPicoUsd, okCalls, tokens }: LedgerEntry): boolean {
  return (
    calls !== 0 ||
    costPicoUsd !== 0n ||
    okCalls !== 0 ||
    TOKEN_CLASSES.some((name) => tokens[name] !== 0)
  );
}
