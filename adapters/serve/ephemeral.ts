import type { LogLine, StoredDecision } from "../../engine/record/record.ts";
import { serializeLine } from "../../engine/record/serialize.ts";
import type { BundleArchive } from "../bundles/archive.ts";
import { FolderBundles } from "../bundles/folder-bundles.ts";
import { MemoryStateStore } from "../memory/state-store.ts";
import type { Storage } from "./storage.ts";

/** State and log in memory only: for one decision on the command line, and for tests. */
export function ephemeralStorage(bundle: BundleArchive): Storage {
  const decisions = new Map<string, StoredDecision>();
  return {
    bundles: new FolderBundles(bundle, null),
    lastMs: 0,
    state: new MemoryStateStore(),
    log: {
      append(line: LogLine): Promise<void> {
        // As a log would give it back: what is kept is the text that would be written.
        keep(decisions, JSON.parse(serializeLine(line)) as LogLine);
        return Promise.resolve();
      },
    },
    ledger: { find: (decisionId) => Promise.resolve(decisions.get(decisionId) ?? null) },
    watchControls: null,
    close: () => Promise.resolve(),
  };
}

function keep(decisions: Map<string, StoredDecision>, line: LogLine): void {
  if (line.kind === "decision") decisions.set(line.id, { record: line, later: [] });
  if (line.kind !== "entry" && line.kind !== "report") return;
  const stored = decisions.get(line.decision_id);
  if (stored === undefined) return;
  decisions.set(line.decision_id, { record: stored.record, later: [...stored.later, line] });
}
