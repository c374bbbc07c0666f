import { readFileSync } from "node:fs";

import { type Checkpoint, readCheckpoint } from "../../engine/audit/checkpoint.ts";
import {
  type ConsistencyFile,
  type IncludedRecord,
  type InclusionFile,
  noteOf,
} from "../../engine/audit/proof-file.ts";
import { WeirError } from "../../engine/errors.ts";
import { lastCheckpoint } from "../embedded/checkpoints.ts";
import { aboutDecision, findRecords, numbered, proveConsistency } from "../embedded/prove.ts";
import { signingKeyOf } from "../embedded/signing-key.ts";
import { dataLayout } from "./local-storage.ts";

/** Proves a decision and what followed it, or the record of a number, from a data folder. */
export function proveRecord(data: string, id: string): InclusionFile {
  const logFolder = dataLayout(data).log;
  const checkpoint = checkpointOf(data);
  const wanted = /^\d{1,15}$/.test(id) ? numbered(Number(id)) : aboutDecision(id);
  const found = findRecords(logFolder, checkpoint, wanted);
  const [first] = found;
  if (first === undefined) {
    const what = "the id of a decision or the number of a record is accepted";
    throw new WeirError("decision.not_found", `the log in ${data} has no record of ${id}; ${what}`);
  }
  if (first.path === null) {
    const message = `record ${first.number} came after the last checkpoint, which covers ${checkpoint.size}; it can be proven once the next one is signed`;
    throw new WeirError("decision.not_found", message);
  }
  const records = found.flatMap(({ number, path, record }): IncludedRecord[] =>
    path === null ? [] : [{ number, path, record }],
  );
  const key = signingKeyOf(data);
  return { checkpoint: noteOf(checkpoint), format: "weir-audit-proof/1", key, records };
}

/** Proves that one checkpoint's log goes on as another's; `log.corrupt` if it does not. */
export function proveContinuation(data: string, oldPath: string, newPath: string): ConsistencyFile {
  const old = readCheckpointFile(oldPath);
  const newer = readCheckpointFile(newPath);
  if (old.origin !== newer.origin) {
    const message = `${oldPath} is of the log ${old.origin}, ${newPath} of ${newer.origin}`;
    throw new WeirError("config.invalid", message);
  }
  if (old.size > newer.size) {
    const message = `${oldPath} covers ${old.size} records, ${newPath} fewer: ${newer.size}; the older one comes first`;
    throw new WeirError("config.invalid", message);
  }
  const path = proveConsistency(dataLayout(data).log, old, newer);
  if (path === null) {
    const message = `a fork: the log that ${newPath} was signed for does not begin with the ${old.size} records of ${oldPath}`;
    throw new WeirError("log.corrupt", message);
  }
  const key = signingKeyOf(data);
  return { format: "weir-audit-consistency/1", key, new: noteOf(newer), old: noteOf(old), path };
}

/** The newest checkpoint of a data folder, or `config.invalid`. */
export function checkpointOf(data: string): Checkpoint {
  const checkpoint = lastCheckpoint(dataLayout(data).log);
  if (checkpoint !== null) return checkpoint;
  throw new WeirError("config.invalid", `no checkpoint was signed in ${data} yet`);
}

function readCheckpointFile(path: string): Checkpoint {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new WeirError("config.invalid", `${path} cannot be read: ${(cause as Error).message}`, {
      cause,
    });
  }
  const checkpoint = readCheckpoint(text);
  if (checkpoint !== null) return checkpoint;
  const what =
    "a checkpoint is a signed note of origin, size and root, as audit checkpoint prints it";
  throw new WeirError("config.invalid", `${path} is no checkpoint; ${what}`);
}
