import { createHmac, timingSafeEqual } from "node:crypto";
import { FORMAT_NAMES, type FormatName } from "../../engine/provider/format.ts";

/** What settling a call takes, carried through Envoy so that any replica can settle it. */
export interface Ticket {
  readonly decisionId: string;
  readonly principal: string;
  readonly format: FormatName | null;
  /** Model that runs, "provider:model". */
  readonly model: string;
  /** Input tokens expected, for a call whose answer tells none. */
  readonly inputTokens: number;
  /** Most output tokens that were decided. */
  readonly outputTokensMax: number;
}

/** Seals tickets and opens its own: a forged or altered one is none. */
export interface Tickets {
  seal(ticket: Ticket): string;
  open(text: string): Ticket | null;
}

const TEXT_MAX = 4_096;

/** Tickets under a secret that all replicas share. */
export function sealedTickets(secret: Uint8Array): Tickets {
  const sign = (body: string): Buffer => createHmac("sha256", secret).update(body).digest();
  return {
    seal: (ticket) => {
      const { decisionId, format, inputTokens, model, outputTokensMax, principal } = ticket;
      const fields = [decisionId, principal, format, model, inputTokens, outputTokensMax];
      const body = Buffer.from(JSON.stringify(fields)).toString("base64url");
      return `${body}.${sign(body).toString("base64url")}`;
    },
    open: (text) => {
      const [body = "", signature = "", ...rest] = text.length > TEXT_MAX ? [] : text.split(".");
      const given = Buffer.from(signature, "base64url");
      const own = sign(body);
      if (rest.length > 0 || given.length !== own.length || !timingSafeEqual(given, own))
        return null;
      return ticketOf(JSON.parse(Buffer.from(body, "base64url").toString()) as readonly unknown[]);
    },
  };
}

/** The signature says that the fields are ours; only a format of another version may be unknown. */
function ticketOf(fields: readonly unknown[]): Ticket {
  const [decisionId, principal, format, model, inputTokens, outputTokensMax] = fields;
  return {
    decisionId: String(decisionId),
    principal: String(principal),
    format: FORMAT_NAMES.find((name) => name === format) ?? null,
    model: String(model),
    inputTokens: Number(inputTokens),
    outputTokensMax: Number(outputTokensMax),
  };
}
