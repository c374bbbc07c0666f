import { setTimeout as sleep } from "node:timers/promises";
import { type ErrorCode, WeirError } from "../../engine/errors.ts";
import type { Weir } from "../../engine/weir.ts";
import type { Settlement } from "./to-report.ts";
import type { Ticket } from "./ticket.ts";

/** What became of one access log entry or one processed call. */
export type SettlementResult =
  /** Charged or released. */
  | "settled"
  /** Said before, with the same figures. */
  | "duplicate"
  /** Of no decision of ours: refused calls, health checks, other routes. */
  | "unmatched"
  /** Reached a provider with nobody having decided: Weir did not answer, and its route is open then. */
  | "undecided"
  /** A ticket that we did not seal. */
  | "forged"
  /** Contradicts what was settled, or comes too late. */
  | "refused"
  /** Could not be written; the reservation ends by its own deadline. */
  | "lost";

/** Settles calls that Envoy tells of; never rejects. */
export interface Settler {
  settle(ticket: Ticket, settlement: Settlement): Promise<SettlementResult>;
}

/** Waits between tries while the log or the store does not answer, ms. */
const WAITS_MS = [100, 500, 2_000, 5_000];

export function createSettler(weir: Weir, onFault: (error: WeirError) => void): Settler {
  const tryOnce = async (ticket: Ticket, settlement: Settlement): Promise<SettlementResult> => {
    const caller = { principal: ticket.principal };
    if (settlement.kind === "cancel") {
      await weir.cancel(settlement.decisionId, caller);
      return "settled";
    }
    const { status } = await weir.report(settlement.report, caller);
    return status === "duplicate" ? "duplicate" : "settled";
  };
  return {
    settle: async (ticket, settlement) => {
      for (const waitMs of [...WAITS_MS, null]) {
        try {
          return await tryOnce(ticket, settlement);
        } catch (thrown) {
          const error = WeirError.from(thrown);
          if (error.code === "internal") onFault(error);
          if (!PASSING.has(error.code)) return error.code === "internal" ? "lost" : "refused";
          if (waitMs !== null) await sleep(waitMs, undefined, { ref: false });
        }
      }
      return "lost";
    },
  };
}

const PASSING: ReadonlySet<ErrorCode> = new Set([
  "log.unavailable",
  "state.unavailable",
  "server.overloaded",
]);
