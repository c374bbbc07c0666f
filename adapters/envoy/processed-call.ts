import { openResponseReader, type ResponseReader } from "../../engine/provider/response.ts";
import { estimateTokens, tokenizerOf } from "../../engine/provider/estimate-tokens.ts";
import type { Admitted } from "./from-decision.ts";
import { first, type Headers } from "./headers.ts";
import { ClosingFigures } from "./stream-lines.ts";
import type { Ticket } from "./ticket.ts";
import { type CallEnd, type Settlement, settlementOf } from "./to-report.ts";

/** The way back of one admitted call: its figures are read as its bytes pass. */
export class ProcessedCall {
  readonly #ticket: Ticket;
  readonly #stripsUsage: boolean;
  #status = 0;
  #reader: ResponseReader | null = null;
  #stripper: ClosingFigures | null = null;
  #bodyBytes = 0;
  #settled = false;

  constructor(admitted: Admitted, ticket: Ticket) {
    this.#ticket = ticket;
    this.#stripsUsage = admitted.stripsUsage;
  }

  /** Takes the head of the answer; true where its body has to be seen. */
  begin(headers: Headers): boolean {
    this.#status = Number(first(headers, ":status")) || 0;
    const kind = first(headers, "content-type");
    const { format } = this.#ticket;
    if (format === null || !READABLE.test(kind)) return false;
    this.#reader = openResponseReader(format, kind);
    const isStream = kind.includes("text/event-stream");
    if (isStream && this.#stripsUsage) this.#stripper = new ClosingFigures();
    return true;
  }

  /** Takes a piece of the body; other bytes to send in its place, or null for the same. */
  take(chunk: Uint8Array, isLast: boolean): Uint8Array | null {
    this.#bodyBytes += chunk.length;
    this.#reader?.push(chunk);
    if (this.#stripper === null) return null;
    const out = this.#stripper.push(chunk, isLast);
    return out.length === chunk.length && out.equals(chunk) ? null : out;
  }

  /** What the call comes to, once; null after that. */
  settle(cut: CallEnd["cut"]): Settlement | null {
    if (this.#settled) return null;
    this.#settled = true;
    const reading = this.#reader?.end() ?? null;
    const isRead = reading !== null && (reading.usage !== null || reading.answered.bytes > 0);
    const seen = isRead
      ? estimateTokens(reading.answered, tokenizerOf(this.#ticket.model)).expected
      : null;
    return settlementOf(this.#ticket, reading, {
      bodyBytes: this.#bodyBytes,
      cut,
      events: 0,
      outputTokens: seen,
      reached: true,
      status: this.#status,
    });
  }
}

const READABLE = /json|text\/event-stream|vnd\.amazon\.eventstream/i;
