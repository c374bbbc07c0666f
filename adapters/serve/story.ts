import type { Checkpoint } from "../../engine/audit/checkpoint.ts";
import { WeirError } from "../../engine/errors.ts";
import type { DecisionRecord, EntryRecord, ReportRecord } from "../../engine/record/record.ts";
import { lastCheckpoint } from "../embedded/checkpoints.ts";
import { aboutDecision, findRecords } from "../embedded/prove.ts";
import { dataLayout } from "./local-storage.ts";

/** Everything a log says of one decision, in its order. */
export interface Story {
  readonly record: DecisionRecord;
  readonly number: number;
  readonly later: readonly {
    readonly number: number;
    readonly record: EntryRecord | ReportRecord;
  }[];
  /** The newest checkpoint, which covers the records up to its size; null: none was signed. */
  readonly checkpoint: Checkpoint | null;
}

/** What became of a decision, from the log of a data folder; `decision.not_found` if it has none. */
export function tellStory(data: string, id: string): Story {
  const logFolder = dataLayout(data).log;
  const checkpoint = lastCheckpoint(logFolder);
  const found = findRecords(logFolder, checkpoint, aboutDecision(id));
  const first = found.find(({ record }) => record.kind === "decision");
  if (first?.record.kind !== "decision") {
    throw new WeirError("decision.not_found", `the log in ${data} has no decision ${id}`);
  }
  const later = found.flatMap(({ number, record }) =>
    record.kind === "entry" || record.kind === "report" ? [{ number, record }] : [],
  );
  return { checkpoint, later, number: first.number, record: first.record };
}
