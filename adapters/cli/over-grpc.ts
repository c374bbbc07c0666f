import type { Decision, Effect, Reason } from "../../engine/decision/decision.ts";
import {
  type Intent,
  OPERATIONS,
  type RawIntent,
  SENSITIVITIES,
  SERVICE_TIERS,
} from "../../engine/intent/intent.ts";
import { parseIntent } from "../../engine/intent/parse.ts";
import type { Encodable, weir } from "../../proto/gen/weir.js";
import { connect } from "../grpc/client.ts";
import { type ServerAddress, unreachable } from "./server-address.ts";

/**
 * Asks a running service for a decision over gRPC. What the engine would refuse for its form is
 * refused here already.
 */
export async function decideOverGrpc(raw: RawIntent, server: ServerAddress): Promise<Decision> {
  const { address, key } = server;
  const intent = parseIntent(raw, "");
  const client = connect(key === undefined ? { address } : { address, key });
  try {
    return fromMessage(await client.decide(toMessage(intent)), intent);
  } catch (thrown) {
    throw unreachable(thrown, address, ", or decide here with --embedded");
  } finally {
    client.close();
  }
}

function toMessage(intent: Intent): Encodable<weir.v1.Intent> {
  const { operation, serviceTier, tenant, attribution, data, run, ...others } = intent;
  const { cost_center: costCenter, ...fields } = attribution;
  return {
    ...others,
    attribution: { ...fields, costCenter, tenant },
    operation: OPERATIONS.indexOf(operation) + 1,
    serviceTier: SERVICE_TIERS.indexOf(serviceTier) + 1,
    data: { ...data, sensitivity: SENSITIVITIES.indexOf(data.sensitivity) },
    run: run.id === "" ? undefined : run,
  };
}

const EFFECTS: readonly (Effect | null)[] = [null, "allow", "reroute", "throttle", "block"];

function fromMessage(message: weir.v1.Decision, intent: Intent): Decision {
  return {
    id: message.id,
    tenant: intent.tenant,
    effect: EFFECTS[message.effect] ?? "block",
    model: message.model,
    askedModel: intent.model,
    serviceTier: intent.serviceTier,
    reasons: message.reasons.map(({ message: text, severity, waiver, ...reason }) => ({
      ...reason,
      message: text,
      severity: severity as Reason["severity"],
      ...(waiver !== "" && { waiver }),
    })),
    obligations: obligationsOf(message),
    retryAfterMs: Number(message.retryAfterMs),
    estimate: estimateOf(message),
    expiresAtMs: Number(message.expiresAtMs),
    replayed: message.replayed,
    mode: message.mode === 2 ? "shadow" : "enforce",
    wouldBe: EFFECTS[message.wouldBe] ?? null,
    // The wire contract does not carry it.
    admission: "",
    bundleRevision: message.bundleRevision,
    bundleDigest: message.bundleDigest,
    decidedAtMs: Number(message.decidedAtMs),
  };
}

function obligationsOf({ obligations }: weir.v1.Decision): Decision["obligations"] {
  if (obligations === null) return {};
  const { headers, maxOutputTokens, serviceTier, strip } = obligations;
  return {
    ...(Number(maxOutputTokens) > 0 && { max_output_tokens: Number(maxOutputTokens) }),
    ...(strip.length > 0 && { strip }),
    ...(Object.keys(headers).length > 0 && { headers }),
    ...(serviceTier !== "" && { service_tier: serviceTier }),
  };
}

function estimateOf({ estimate }: weir.v1.Decision): Decision["estimate"] {
  return {
    priced: estimate?.priced ?? false,
    expectedMicroUsd: Number(estimate?.expectedMicroUsd ?? 0),
    p95MicroUsd: Number(estimate?.p95MicroUsd ?? 0),
    ceilingMicroUsd: Number(estimate?.ceilingMicroUsd ?? 0),
    outputTokensMax: Number(estimate?.outputTokensMax ?? 0),
  };
}
