import { existsSync } from "node:fs";
import type { Balance } from "../../engine/ports.ts";
import type { LogLine, PostingRecord } from "../../engine/record/record.ts";
import { reservedEntry } from "../../engine/record/write.ts";
import type { Config } from "../config.ts";
import { FolderBundles, keptBundles } from "../bundles/folder-bundles.ts";
import { readLog } from "../embedded/segments.ts";
import { recoverState } from "../memory/recover.ts";
import { MemoryStateStore } from "../memory/state-store.ts";
import { dataLayout } from "./local-storage.ts";

/** What a check of the log found. */
export interface LedgerCheck {
  readonly lines: number;
  readonly decisions: number;
  readonly reports: number;
  readonly entries: number;
  /** Budget instances whose postings were summed. */
  readonly instances: number;
  /** Entries that a service which was killed, or still runs, owes. */
  readonly owed: number;
  /** Entries whose postings do not follow from the lines before them. */
  readonly differences: readonly string[];
  /** Budget instances whose balance is not the sum of their postings. */
  readonly imbalances: readonly string[];
}

/**
 * Reads the whole log (damage and gaps are `log.corrupt`), rebuilds the state from it, and compares
 * every balance with the sum of its postings. Takes no lock and leaves the log alone, so it may run
 * beside a service.
 */
export async function checkLedger(config: Config): Promise<LedgerCheck> {
  const layout = dataLayout(config.data);
  const counts = { lines: 0, decisions: 0, reports: 0, entries: 0 };
  const sums = new PostingSums();
  const lines = function* (): Generator<LogLine> {
    for (const { line } of readLog(layout.log)) {
      counts.lines += 1;
      if (line.kind === "decision") counts.decisions += 1;
      if (line.kind === "report") counts.reports += 1;
      if (line.kind === "entry") counts.entries += 1;
      sums.take(postingsOf(line));
      yield line;
    }
  };
  if (!existsSync(layout.log)) {
    return { ...counts, instances: 0, owed: 0, differences: [], imbalances: [] };
  }
  const state = new MemoryStateStore();
  const bundles = keptBundles(layout.bundles) ?? new FolderBundles(config.bundle, layout.bundles);
  const { owed, differences } = await recoverState(state, lines(), bundles);
  for (const entry of owed) sums.take(entry.postings);
  const imbalances = sums.compare(await state.balances());
  return { ...counts, instances: sums.size, owed: owed.length, differences, imbalances };
}

function postingsOf(line: LogLine): readonly PostingRecord[] {
  if (line.kind === "decision") return reservedEntry(line)?.postings ?? [];
  return line.kind === "entry" ? line.postings : [];
}

/** Sums of what the log posted to each budget instance. */
class PostingSums {
  readonly #sums = new Map<string, { held: bigint; settled: bigint }>();

  get size(): number {
    return this.#sums.size;
  }

  take(postings: readonly PostingRecord[]): void {
    for (const { instance, held_delta: held, settled_delta: settled } of postings) {
      const sum = this.#sums.get(instance) ?? { held: 0n, settled: 0n };
      sum.held += BigInt(held);
      sum.settled += BigInt(settled);
      this.#sums.set(instance, sum);
    }
  }

  /** Where the balances and the sums differ. An instance whose window is over may be forgotten. */
  compare(balances: readonly Balance[]): readonly string[] {
    return balances.flatMap(({ instance, held, settled }) => {
      const sum = this.#sums.get(instance) ?? { held: 0n, settled: 0n };
      if (sum.held === held && sum.settled === settled) return [];
      return [
        `${instance}: held ${held}, posted ${sum.held}; settled ${settled}, posted ${sum.settled}`,
      ];
    });
  }
}
