import { readVerifier } from "../../engine/audit/note.ts";
import { PostedSums } from "../../engine/ledger/posted-sums.ts";
import type { LogLine } from "../../engine/record/record.ts";
import { LogTail } from "./log-tail.ts";

const LINES_AT_ONCE = 10_000;

/** The sums of the logs of some nodes, followed while the nodes write them. */
export class LogSums {
  readonly posted = new PostedSums();
  readonly #tails: readonly LogTail[];
  readonly #names: string[];

  /** `folders`: those of the logs. */
  constructor(folders: readonly string[]) {
    this.#tails = folders.map((folder) => new LogTail(folder, 0));
    this.#names = folders.map(() => "");
  }

  /** Names of the logs, as their checkpoints are signed with; those of new logs are missing. */
  get names(): readonly string[] {
    return this.#names.filter((name) => name !== "");
  }

  /** Takes in what was written since the last call. */
  catchUp(): void {
    for (const [at, tail] of this.#tails.entries()) {
      for (let lines = tail.next(LINES_AT_ONCE); lines.length > 0;) {
        for (const { line } of lines) {
          this.posted.take(line);
          const name = nameIn(line);
          if (name !== undefined) this.#names[at] = name;
        }
        lines = tail.next(LINES_AT_ONCE);
      }
    }
  }
}

function nameIn(line: LogLine): string | undefined {
  if (line.kind !== "control" || line.action !== "audit_key.set") return undefined;
  return readVerifier(line.after)?.name;
}
