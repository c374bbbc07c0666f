import type { Masks } from "../../engine/intent/mask.ts";
import type { OperatorControls } from "../../engine/reservation/reservation.ts";
import type { BundleSource, Ledger, RecordLog, StateStore } from "../../engine/ports.ts";

/** State, log, ledger and bundles that belong together. */
export interface Storage {
  readonly state: StateStore;
  readonly log: RecordLog;
  readonly ledger: Ledger;
  readonly bundles: BundleSource;
  /** Words for values that a bundle wants masked; absent: they last as long as the process. */
  readonly masks?: Masks;
  /** Time of the log's latest line, epoch ms: time does not go back behind it. */
  readonly lastMs: number;
  /** Where the log's segments lie; absent: it has none that could be followed. */
  readonly logFolder?: string;
  /** Tells of what operators set on any node, until `close`; null: there are no other nodes. */
  readonly watchControls: ((onControls: (controls: OperatorControls) => void) => void) | null;
  /** Flushes what is written and lets go of the data folder. */
  close(): Promise<void>;
}
