import { WeirError } from "../../engine/errors.ts";
import { followKeyFile } from "../keys/authenticator.ts";
import { keyFilePath } from "../keys/key-file.ts";
import { type KeyListing, listKeys } from "../keys/keys.ts";
import type { AuditLog } from "./audit-log.ts";

/**
 * Puts the making and the end of API keys into the log. Keys are changed by a command, beside the one
 * process that may write the log; so it compares the key file with what the log says, now and after
 * each change.
 */
export class KeyJournal {
  readonly #data: string;
  readonly #audit: AuditLog;
  readonly #follower: { close(): void };
  #work: Promise<void> = Promise.resolve();

  constructor(data: string, audit: AuditLog, onNote: (note: WeirError) => void) {
    this.#data = data;
    this.#audit = audit;
    this.#follower = followKeyFile(keyFilePath(data), () => {
      this.record().catch((thrown: unknown) => onNote(WeirError.from(thrown)));
    });
  }

  /** Resolves once the log says what the key file says now. */
  record(): Promise<void> {
    const done = this.#work.then(() => this.#compare());
    this.#work = done.catch(() => undefined);
    return done;
  }

  async close(): Promise<void> {
    this.#follower.close();
    await this.#work;
  }

  async #compare(): Promise<void> {
    const keys = listKeys(this.#data);
    for (const key of keys) {
      if (!this.#audit.controls.apiKeys.has(key.id)) await this.#recordMade(key);
      if (key.revokedAtMs !== null) await this.#recordEnd(key.id, key.revokedBy, key.revokedWhy);
    }
    const present = new Set(keys.map(({ id }) => id));
    for (const id of this.#audit.controls.apiKeys.keys()) {
      if (!present.has(id)) await this.#recordEnd(id, "", "taken out of the key file");
    }
  }

  async #recordMade({ createdBy, id, note, principal }: KeyListing): Promise<void> {
    const reason = note === "" ? "no note was given" : note;
    const actor = createdBy === "" ? "unknown" : createdBy;
    await this.#audit.control({
      action: "api_key.created",
      actor,
      after: principal,
      before: "",
      reason,
      subject: id,
    });
  }

  async #recordEnd(id: string, by: string, why: string): Promise<void> {
    const known = this.#audit.controls.apiKeys.get(id);
    if (known === undefined || known.revoked) return;
    const reason = why === "" ? "no reason was given" : why;
    const actor = by === "" ? "unknown" : by;
    const before = known.principal;
    await this.#audit.control({
      action: "api_key.revoked",
      actor,
      after: "",
      before,
      reason,
      subject: id,
    });
  }
}
