import type { RecordLog } from "../ports.ts";
import type { EntryRecord, LogLine } from "./record.ts";

/**
 * A log that forgets no entry. The store has made its change by the time an entry is written, so an
 * entry that could not be written is kept and written later, before the books could differ for good.
 * If the process ends first, recovery makes the change again from the lines that were written.
 */
export class RetainingLog implements RecordLog {
  readonly #log: RecordLog;
  #owed: EntryRecord[] = [];

  constructor(log: RecordLog) {
    this.#log = log;
  }

  async append(line: LogLine): Promise<void> {
    try {
      await this.#log.append(line);
    } catch (thrown) {
      if (line.kind === "entry") this.#owed.push(line);
      throw thrown;
    }
  }

  /** Writes what is owed; what fails again stays owed. */
  async retry(): Promise<void> {
    const owed = this.#owed;
    if (owed.length === 0) return;
    this.#owed = [];
    await Promise.allSettled(owed.map((entry) => this.append(entry)));
  }
}
