import type { Decision, Effect, Reason } from "../../engine/decision/decision.ts";
import { WeirError } from "../../engine/errors.ts";
import {
  OPERATIONS,
  type RawIntent,
  SENSITIVITIES,
  SERVICE_TIERS,
} from "../../engine/intent/intent.ts";
import { parseIntent } from "../../engine/intent/parse.ts";
import type { Encodable, weir } from "../../proto/gen/weir.js";
import { connect } from "../grpc/client.ts";

/** Asks a running service for a decision over gRPC. */
export async function decideOverGrpc(
  raw: RawIntent,
  server: { readonly address: string; readonly key: string | undefined },
): Promise<Decision> {
  const { address, key } = server;
  const message = toMessage(raw);
  const client = connect(key === undefined ? { address } : { address, key });
  try {
    return fromMessage(await client.decide(message), raw);
  } catch (thrown) {
    throw unreachable(thrown, address);
  } finally {
    client.close();
  }
}

/** The intent as it goes over the wire; what the engine would refuse is refused here already. */
function toMessage(raw: RawIntent): Encodable<weir.v1.Intent> {
  const { operation, serviceTier, tenant, attribution, data, ...intent } = parseIntent(raw, "");
  const { cost_center: costCenter, ...fields } = attribution;
  return {
    ...intent,
    attribution: { ...fields, costCenter, tenant },
    operation: OPERATIONS.indexOf(operation) + 1,
    serviceTier: SERVICE_TIERS.indexOf(serviceTier) + 1,
    data: { ...data, sensitivity: SENSITIVITIES.indexOf(data.sensitivity) },
    run: intent.run.id === "" ? undefined : intent.run,
  };
}

const EFFECTS: readonly (Effect | null)[] = [null, "allow", "reroute", "throttle", "block"];

function fromMessage(message: weir.v1.Decision, raw: RawIntent): Decision {
  const { estimate, obligations } = message;
  return {
    id: message.id,
    tenant: String(raw.attribution?.["tenant"] ?? ""),
    effect: EFFECTS[message.effect] ?? "block",
    model: message.model,
    askedModel: String(raw.model),
    serviceTier: parseIntent(raw, "").serviceTier,
    reasons: message.reasons.map((reason) => ({
      ...reason,
      severity: reason.severity as Reason["severity"],
    })),
    obligations: {
      ...(Number(obligations?.maxOutputTokens ?? 0) > 0 && {
        max_output_tokens: Number(obligations?.maxOutputTokens),
      }),
      ...(obligations !== null && obligations.strip.length > 0 && { strip: obligations.strip }),
      ...(Object.keys(obligations?.headers ?? {}).length > 0 && { headers: obligations?.headers ?? {} }),
    },
    retryAfterMs: Number(message.retryAfterMs),
    estimate: {
      priced: estimate?.priced ?? false,
      expectedMicroUsd: Number(estimate?.expectedMicroUsd ?? 0),
      p95MicroUsd: Number(estimate?.p95MicroUsd ?? 0),
      ceilingMicroUsd: Number(estimate?.ceilingMicroUsd ?? 0),
      outputTokensMax: Number(estimate?.outputTokensMax ?? 0),
    },
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

const GRPC_UNAVAILABLE = 14;

function unreachable(thrown: unknown, address: string): WeirError {
  const error = WeirError.from(thrown);
  const status = (error.cause as { readonly code?: unknown } | undefined)?.code;
  if (error.code !== "internal" || status !== GRPC_UNAVAILABLE) return error;
  const message = `no service answers at ${address}; start one with "weir start", or decide here with --embedded`;
  return new WeirError("state.unavailable", message, { cause: error });
}
