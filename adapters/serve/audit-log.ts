import { type NoteSigner, readVerifier } from "../../engine/audit/note.ts";
import { WeirError } from "../../engine/errors.ts";
import type { Clock } from "../../engine/ports.ts";
import type { ControlRecord, LogLine } from "../../engine/record/record.ts";
import { controlRecord } from "../../engine/record/control.ts";
import type { Config } from "../config.ts";
import { AuditTrail } from "../embedded/audit-trail.ts";
import { type Outage, SegmentedLog } from "../embedded/log.ts";
import { readFramedLog } from "../embedded/segments.ts";
import { userName } from "../system/user.ts";
import { WitnessClient } from "../witness/client.ts";
import { SigningKeyFile } from "../embedded/signing-key.ts";

export interface AuditLogPlace {
  /** The data folder. */
  readonly data: string;
  readonly logFolder: string;
  readonly clock: Clock;
  readonly onNote: (note: WeirError) => void;
}

type LogSettings = Pick<
  Config,
  | "checkpointIntervalMs"
  | "checkpointRecords"
  | "logSegmentMebibytes"
  | "logSync"
  | "logSyncIntervalMs"
  | "witness"
  | "witnessKey"
>;

/** What the log says of an API key. */
export interface KnownKey {
  readonly principal: string;
  readonly revoked: boolean;
}

/** What the log's control records say at its end. */
export interface Controls {
  /** The latest key that signs, as text; "": none was named. */
  readonly signingKey: string;
  /** The bundle that decided last; empty: none. */
  readonly bundle: { readonly digest: string; readonly revision: string };
  /** Mode that was set last; "": none. */
  readonly mode: string;
  /** API keys by id: whether the log says that they were revoked. */
  readonly apiKeys: ReadonlyMap<string, KnownKey>;
}

/** The log of a data folder, its tree and its checkpoints, opened for one process. */
export class AuditLog {
  readonly log: SegmentedLog;
  readonly #trail: AuditTrail;
  readonly #keys: SigningKeyFile;
  readonly #place: AuditLogPlace;
  #signingKey = "";
  #mode = "";
  #bundle = { digest: "", revision: "" };
  readonly #apiKeys = new Map<string, KnownKey>();

  constructor(settings: LogSettings, place: AuditLogPlace) {
    const { clock, data, logFolder, onNote } = place;
    this.#place = place;
    this.#keys = new SigningKeyFile(data);
    this.log = new SegmentedLog({
      compress: true,
      folder: logFolder,
      onNote: (note) => onNote(new WeirError("log.unavailable", note)),
      onRecovered: (outage) => this.#noteOutage(outage),
      onWritten: (lines) => this.#trail.take(lines),
      segmentBytes: settings.logSegmentMebibytes * 1024 * 1024,
      sync: settings.logSync,
      syncIntervalMs: settings.logSyncIntervalMs,
    });
    this.#trail = new AuditTrail({
      clock,
      everyMs: settings.checkpointIntervalMs,
      everyRecords: settings.checkpointRecords,
      logFolder,
      onNote,
      sync: () => this.log.sync(),
      witness: witnessOf(settings),
    });
  }

  get controls(): Controls {
    return {
      apiKeys: this.#apiKeys,
      bundle: this.#bundle,
      mode: this.#mode,
      signingKey: this.#signingKey,
    };
  }

  /** Every record the log held when it was opened, in order; to be read to the end before `begin`. */
  *recall(): Generator<LogLine> {
    for (const { frame, line } of readFramedLog(this.#place.logFolder)) {
      this.#trail.recall(frame);
      if (line.kind === "control") this.#note(line);
      if (line.kind === "bundle" && line.change !== "refused")
        this.#bundle = { digest: line.digest, revision: line.revision };
      yield line;
    }
  }

  /** Begins to sign: with the key of the folder, which the log names first. */
  async begin(): Promise<void> {
    const name = readVerifier(this.#signingKey)?.name;
    const key = await this.#takeUpNext(this.#keys.read() ?? this.#keys.create(name));
    this.#trail.begin(key);
    const after = key.verifier.text;
    if (after !== this.#signingKey) {
      const reason = this.#signingKey === "" ? "the first start" : "the key before is gone";
      await this.control({ action: "audit_key.set", after, before: this.#signingKey, reason });
    }
    await this.checkpoint();
  }

  /** Writes a control action, by the user of this process where no other actor is named. */
  async control(change: ControlChange): Promise<void> {
    const record = controlRecord({
      actor: userName(),
      atMs: this.#place.clock.nowMs(),
      subject: "",
      ...change,
    });
    await this.log.append(record);
    this.#note(record);
  }

  /** Signs everything up to now; resolves once the checkpoint is on the disk. */
  async checkpoint(): Promise<void> {
    await this.#trail.checkpoint();
  }

  /** Another key signs from now on. The one before vouches for it, in the log and below a checkpoint. */
  async rotateKey(reason: string): Promise<{ readonly before: string; readonly after: string }> {
    const present = this.#keys.read();
    if (present === null) throw new Error("begin comes first");
    const next = this.#keys.createNext(present.verifier.name);
    const [before, after] = [present.verifier.text, next.verifier.text];
    // A checkpoint that falls due while the record is written is signed by both too.
    this.#trail.signWith(present, next);
    await this.control({ action: "audit_key.set", after, before, reason });
    await this.#vouch(present, next);
    return { after, before };
  }

  async close(): Promise<void> {
    await this.log.close(() => this.#trail.close());
  }

  /** What a log says soon after it could not be written: that calls were refused meanwhile. */
  #noteOutage({ cause, lines }: Outage): void {
    const reason = `${lines} attempts to write a record failed: ${cause}; calls were refused meanwhile`;
    const change = { action: "log.interrupted", after: "", before: "", reason } as const;
    this.control(change).catch((thrown: unknown) => this.#place.onNote(WeirError.from(thrown)));
  }

  /** A change of the key that a kill interrupted: finished if the log has it, else dropped. */
  async #takeUpNext(present: NoteSigner): Promise<NoteSigner> {
    const next = this.#keys.readNext();
    if (next === null) return present;
    if (next.verifier.text !== this.#signingKey) {
      this.#keys.dropNext();
      return present;
    }
    await this.#vouch(present, next);
    return next;
  }

  async #vouch(present: NoteSigner, next: NoteSigner): Promise<void> {
    await this.#trail.checkpoint([present, next]);
    this.#keys.promoteNext();
    this.#trail.signWith(next);
  }

  #note({ action, after, before, subject }: ControlRecord): void {
    if (action === "audit_key.set") this.#signingKey = after;
    if (action === "mode.set") this.#mode = after;
    if (action === "api_key.created")
      this.#apiKeys.set(subject, { principal: after, revoked: false });
    if (action === "api_key.revoked")
      this.#apiKeys.set(subject, { principal: before, revoked: true });
  }
}

function witnessOf({ witness, witnessKey }: LogSettings): WitnessClient | null {
  if (witness === null && witnessKey === null) return null;
  if (witness !== null && witnessKey !== null) return new WitnessClient(witness, witnessKey);
  const [given, missing] =
    witness === null ? ["witness_key", "witness"] : ["witness", "witness_key"];
  throw new WeirError(
    "config.invalid",
    `${given} is set and ${missing} is not; a witness needs both`,
  );
}

export type ControlChange = Pick<ControlRecord, "action" | "after" | "before" | "reason"> &
  Partial<Pick<ControlRecord, "actor" | "subject">>;
