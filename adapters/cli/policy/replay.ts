import { existsSync } from "node:fs";
import { join, resolve } from "node:path";

import { WeirError } from "../../../engine/errors.ts";
import { BundleShelf } from "../../bundles/shelf.ts";
import { listSegments, readLog } from "../../embedded/segments.ts";
import { type Invocation, UsageError } from "../command.ts";
import { EXIT } from "../exit.ts";
import { readNumber } from "../read-number.ts";
import { readBundle } from "./read-bundle.ts";
import { renderReplay, replayToJson } from "./replay/render.ts";
import { ReplayTally } from "./replay/tally.ts";
import { unseenSections } from "./replay/unseen.ts";

/** Judges what a log's decisions were made on by another bundle; exit code 1 if too many change. */
export async function run({ flags, json, terminal }: Invocation): Promise<number> {
  const accepted = readNumber(flags, "accept", 0, 100, 0);
  const folder = resolve(terminal.cwd, flags["log"] ?? "");
  // A data folder holds its log and the bundles that decided.
  const inside = join(folder, "log");
  const logFolder = existsSync(inside) ? inside : folder;
  if (listSegments(logFolder).length === 0)
    throw new UsageError(`--log: there is no log in ${flags["log"]}; accepted is a data folder`);
  const { bundle } = readBundle(flags["bundle"] ?? "", terminal);
  const tally = new ReplayTally(bundle);
  let last = "";
  for (const { line } of readLog(logFolder)) {
    if (line.kind !== "decision") continue;
    tally.take(line);
    last = line.bundle.digest;
  }
  const replay = tally.result();
  if (replay.decisions === 0)
    throw new WeirError("config.invalid", `the log in ${flags["log"]} holds no decision yet`);
  const kept = new BundleShelf(join(folder, "bundles"));
  const decided = existsSync(join(folder, "bundles")) ? kept.open(last) : null;
  const report = {
    ...replay,
    candidate: { digest: bundle.digest, revision: bundle.revision },
    acceptedPercent: accepted,
    passes: replay.faults === 0 && replay.changed * 100 <= accepted * replay.decisions,
    unseen: decided === null ? null : unseenSections(decided.data, bundle.data),
  };
  terminal.print(json ? replayToJson(report) : renderReplay(report, terminal));
  return report.passes ? EXIT.ok : EXIT.fault;
}
