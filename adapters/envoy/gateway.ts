import { WeirError } from "../../engine/errors.ts";
import type { BundleData } from "../../engine/policy/bundle-data.ts";
import type { Caller, Weir } from "../../engine/weir.ts";
import { type Admission, admit, passUnmetered, refuse } from "./from-decision.ts";
import { type Evidence, identifyCaller, type IdentitySource, type KeyRing } from "./identity.ts";
import { refuseError } from "./status.ts";
import type { Tickets } from "./ticket.ts";
import { type Call, type GatewayRequest, readCall, toIntent } from "./to-intent.ts";

/** What deciding on requests takes. */
export interface GatewayOptions {
  readonly weir: Weir;
  readonly keys: KeyRing;
  /** Proofs of identity that are taken, the first that is there decides. */
  readonly identity: readonly IdentitySource[];
  /** Of the bundle that decides now. */
  readonly principals: () => BundleData["principals"];
  /** Whether calls that use no model pass undecided, for callers that are known. */
  readonly unmetered: "allow" | "block";
  readonly tickets: Tickets;
  /** Told of faults of Weir itself, of which callers only learn that there was one. */
  readonly onFault: (error: WeirError) => void;
}

/** Decides on requests, whichever of Envoy's services brings them. */
export interface Gateway {
  /** Never rejects: what cannot be decided is refused, with the provider's own error. */
  judge(request: GatewayRequest, evidence: Evidence): Promise<Admission>;
  /** Gives back what was held for an answer that nobody got. */
  undelivered(admission: Admission): void;
}

export function createGateway(options: GatewayOptions): Gateway {
  const { onFault, weir } = options;
  return {
    judge: async (request, evidence) => {
      const call = readCall(request);
      try {
        const caller = identifyCaller(evidence, options.identity, options.keys);
        if (call.isUnmetered && options.unmetered === "allow") return passUnmetered(request, call);
        return await judgeCall(request, call, caller, options);
      } catch (thrown) {
        const error = WeirError.from(thrown);
        if (error.code === "internal") onFault(error);
        return refuse(refuseError(error, call.route?.format ?? null), { error: error.code });
      }
    },
    undelivered: ({ decision }) => {
      if (decision !== null && !decision.replayed) void weir.undelivered(decision);
    },
  };
}

async function judgeCall(
  request: GatewayRequest,
  call: Call,
  caller: Caller,
  options: GatewayOptions,
): Promise<Admission> {
  const principals = options.principals();
  const known = Object.hasOwn(principals, caller.principal)
    ? principals[caller.principal]
    : undefined;
  const intent = toIntent(request, call, known);
  const decision = await options.weir.decide(intent, caller);
  try {
    return admit({ call, caller, decision, request, tickets: options.tickets });
  } catch (thrown) {
    await options.weir.undelivered(decision);
    throw thrown;
  }
}
