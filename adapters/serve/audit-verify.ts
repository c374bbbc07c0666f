import { existsSync, readFileSync, statSync } from "node:fs";

import type { LogProof, Trust } from "../../engine/audit/log-check.ts";
import { checkProofFile, readProofFile } from "../../engine/audit/proof-file.ts";
import { WeirError } from "../../engine/errors.ts";
import { listSegments } from "../embedded/segments.ts";
import { verifyLog } from "../embedded/verify-log.ts";
import { readManifest } from "./audit-export.ts";
import { EvaluatingAgain } from "./evaluate-again.ts";
import { dataLayout } from "./local-storage.ts";

/** What `audit verify` found at a path. */
export interface Verified extends LogProof {
  /** Inputs that were evaluated again; null: that was not asked for. */
  readonly evaluated: number | null;
  readonly what: "log" | "proof";
}

/** Checks a data folder, an export or a proof; takes no lock and leaves everything as it is. */
export function verifyPath(path: string, trust: Trust, evaluate: boolean): Verified {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) throw new WeirError("config.invalid", `there is nothing at ${path}`);
  if (found.isDirectory()) return verifyFolder(path, trust, evaluate);
  const file = readProofFile(readFileSync(path, "utf8"));
  if (file === null) throw new WeirError("config.invalid", `${path} is no proof; ${ACCEPTED}`);
  if (evaluate) {
    const message = `${path} is a proof, which holds no bundle; evaluate is for data folders and exports`;
    throw new WeirError("config.invalid", message);
  }
  return { ...checkProofFile(file, trust), evaluated: null, what: "proof" };
}

const ACCEPTED = "accepted are a data folder, an export, or a file of audit prove or consistency";

/** Checks a data folder or an export. */
export function verifyFolder(path: string, trust: Trust, evaluate: boolean): Verified {
  const layout = dataLayout(path);
  if (!existsSync(layout.log) || listSegments(layout.log).length === 0) {
    throw new WeirError("config.invalid", `${path} holds no log; ${ACCEPTED}`);
  }
  const again = evaluate ? new EvaluatingAgain(layout.bundles) : null;
  const visitor = again === null ? {} : { visit: again.check.bind(again) };
  const proof = verifyLog(layout.log, trust, visitor);
  const problems = [...proof.problems, ...exportProblems(path, proof)];
  return { ...proof, evaluated: again?.count ?? null, problems, what: "log" };
}

/** An export says how many records it was made of, which a cut one no longer has. */
function exportProblems(path: string, { records, signed }: LogProof): LogProof["problems"] {
  const manifest = readManifest(path);
  if (manifest === null || (manifest.records === records && manifest.records === signed)) return [];
  const what = `the export was made of ${manifest.records} records; here are ${records}, of which ${signed} are signed`;
  return [{ at: "export.json", what }];
}
