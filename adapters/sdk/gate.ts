import { faultRefusal, type Refusal, refusalOf } from "../../engine/provider/refusal.ts";
import type { CallDecision, CallIntent } from "./decision.ts";
import { type Transport, TransportError } from "./transport.ts";

/** What Weir's answer, or its silence, means for a call. */
export type Passage =
  | { readonly kind: "go"; readonly decision: CallDecision }
  /** Weir did not answer and the fail mode is open: the call runs, unseen by budgets. */
  | { readonly kind: "open"; readonly why: TransportError }
  | { readonly kind: "refused"; readonly refusal: Refusal; readonly decision: CallDecision | null };

export interface GateOptions {
  readonly transport: Transport;
  /** Longest a call waits for its decision, ms, retries included. */
  readonly decideTimeoutMs: number;
  readonly failMode: "closed" | "open";
}

const RETRY_FIRST_MS = 20;

/** Asks for a decision; never rejects. A repeat within the deadline is the same intent: no second hold. */
export async function askWeir(intent: CallIntent, options: GateOptions): Promise<Passage> {
  const endsAtMs = performance.now() + options.decideTimeoutMs;
  for (let waitMs = RETRY_FIRST_MS; ; waitMs *= 2) {
    const leftMs = endsAtMs - performance.now();
    try {
      const decision = await options.transport.decide(intent, Math.max(1, leftMs));
      return passageOf(decision);
    } catch (thrown) {
      const error = TransportError.from(thrown);
      if (!error.isTransient) return misused(error);
      if (endsAtMs - performance.now() <= waitMs) return silent(error, options.failMode);
      await new Promise((resolve) => {
        setTimeout(resolve, waitMs);
      });
    }
  }
}

function passageOf(decision: CallDecision): Passage {
  const { effect } = decision;
  if (effect === "allow" || effect === "reroute") return { kind: "go", decision };
  const { decidedAtMs, id, reasons, retryAfterMs } = decision;
  const refusal = refusalOf({ decidedAtMs, effect, id, reasons, retryAfterMs });
  return { kind: "refused", decision, refusal };
}

/** The intent itself was refused: a fault of the caller or its key, which no fail mode forgives. */
function misused({ code, message }: TransportError): Passage {
  const refusal: Refusal = {
    ...faultRefusal(code, `refused by weir: ${message}`),
    kind: "blocked",
  };
  return { kind: "refused", decision: null, refusal };
}

function silent(why: TransportError, failMode: GateOptions["failMode"]): Passage {
  if (failMode === "open") return { kind: "open", why };
  const message = `weir gave no decision (${why.code}: ${why.message}); the fail mode is closed, so the call was not made`;
  return { kind: "refused", decision: null, refusal: faultRefusal("state.unavailable", message) };
}
