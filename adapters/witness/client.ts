import { writeAddCheckpoint } from "../../engine/audit/add-checkpoint.ts";
import {
  checkSignature,
  type Note,
  type NoteVerifier,
  readNote,
  writeNote,
} from "../../engine/audit/note.ts";
import { WeirError } from "../../engine/errors.ts";

/** What a witness said to a checkpoint. */
export type Cosigned =
  | { readonly kind: "signed"; readonly note: Note }
  /** It signed a checkpoint of this size last. */
  | { readonly kind: "size"; readonly size: number };

const TIMEOUT_MS = 3_000;
const ANSWER_CHARS_MAX = 16_384;

/** A witness over HTTP, believed by its key. */
export class WitnessClient {
  readonly verifier: NoteVerifier;
  readonly #url: string;

  /** `url` is the prefix of `/add-checkpoint`. */
  constructor(url: string, verifier: NoteVerifier) {
    this.#url = `${url.replace(/\/$/, "")}/add-checkpoint`;
    this.verifier = verifier;
  }

  /** Asks for a signature below a note; `log.unavailable` says why there is none. */
  async cosign(note: Note, old: number, proof: readonly Buffer[]): Promise<Cosigned> {
    const { status, text } = await this.#post(writeAddCheckpoint(old, proof, writeNote(note)));
    if (status === 409 && /^\d{1,15}\n$/.test(text)) return { kind: "size", size: Number(text) };
    if (status !== 200) throw this.#fault(`answered ${status}: ${text.trim().slice(0, 200)}`);
    const cosigned = readNote(`${writeNote(note)}${text}`);
    const own = cosigned?.signatures.filter(
      ({ id, name }) => name === this.verifier.name && id.equals(this.verifier.id),
    );
    const signed = { signatures: [...note.signatures, ...(own ?? [])], text: note.text };
    if (checkSignature(signed, this.verifier) === "true") return { kind: "signed", note: signed };
    throw this.#fault("answered with a signature that is not its own");
  }

  async #post(body: string): Promise<{ readonly status: number; readonly text: string }> {
    try {
      const response = await fetch(this.#url, {
        body,
        method: "POST",
        redirect: "error",
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      return { status: response.status, text: (await response.text()).slice(0, ANSWER_CHARS_MAX) };
    } catch (cause) {
      throw this.#fault(`does not answer: ${String((cause as Error).cause ?? cause)}`, cause);
    }
  }

  #fault(what: string, cause?: unknown): WeirError {
    return new WeirError("log.unavailable", `the witness ${this.verifier.name} ${what}`, { cause });
  }
}
