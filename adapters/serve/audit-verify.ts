import { existsSync, statSync } from "node:fs";
import { join } from "node:path";

import type { LogProof, Trust } from "../../engine/audit/log-check.ts";
import { WeirError } from "../../engine/errors.ts";
import { listSegments } from "../embedded/segments.ts";
import { verifyLog } from "../embedded/verify-log.ts";
import { EvaluatingAgain } from "./evaluate-again.ts";
import { dataLayout } from "./local-storage.ts";

/** What `audit verify` found at a path. */
export interface Verified extends LogProof {
  /** Inputs that were evaluated again; null: that was not asked for. */
  readonly evaluated: number | null;
}

/** Checks a data folder or an export; takes no lock and leaves everything as it is. */
export function verifyFolder(path: string, trust: Trust, evaluate: boolean): Verified {
  const layout = dataLayout(path);
  if (!existsSync(layout.log) || listSegments(layout.log).length === 0) {
    throw new WeirError(
      "config.invalid",
      `${path} holds no log: a data folder, an export or a proof is accepted`,
    );
  }
  if (!evaluate) return { ...verifyLog(layout.log, trust), evaluated: null };
  const again = new EvaluatingAgain(layout.bundles);
  const proof = verifyLog(layout.log, trust, { visit: (line) => again.check(line) });
  return { ...proof, evaluated: again.count };
}

/** Whether a path is a folder; `config.invalid` if nothing is there. */
export function isFolder(path: string): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined)
    throw new WeirError("config.invalid", `there is nothing at ${join(path)}`);
  return found.isDirectory();
}
