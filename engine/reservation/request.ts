import { hash } from "node:crypto";

import type { Option } from "../decision/judge.ts";
import { WeirError } from "../errors.ts";
import type { Intent } from "../intent/intent.ts";
import { freezeScopes } from "../velocity/scopes.ts";
import type { ReserveRequest, RunStep } from "./reservation.ts";

/** What makes two intents the same one, and what tells that their content differs. */
export interface Identity {
  readonly key: string;
  readonly digest: string;
}

/** Idempotency key and content digest of an intent. */
export function identify(intent: Intent): Identity {
  const key = JSON.stringify([intent.tenant, intent.principal, intent.id, intent.attempt.number]);
  return { key, digest: hash("sha256", JSON.stringify(intent)).slice(0, 32) };
}

/** The same intent and attempt was sent with other content. */
export function conflictOf({ attempt, id }: Intent): WeirError {
  const message = `intent ${id}, attempt ${attempt.number}, was sent before with other content; a retry is a new attempt`;
  return new WeirError("intent.conflict", message);
}

/** Everything the store needs to reserve one option, in one atomic step. */
export function reserveRequest(
  intent: Intent,
  identity: Identity,
  option: Option,
  decision: {
    readonly id: string;
    readonly nowMs: number;
    readonly ttlMs: number;
    readonly force: boolean;
  },
): ReserveRequest {
  return {
    decisionId: decision.id,
    tenant: intent.tenant,
    principal: intent.principal,
    nowMs: decision.nowMs,
    deadlineMs: decision.nowMs + decision.ttlMs,
    idempotencyKey: identity.key,
    contentDigest: identity.digest,
    holds: option.holds,
    scopes: option.scopes,
    run: intent.run.id === "" ? null : stepOf(intent.run),
    costNanoUsd: option.costNanoUsd,
    freezeScopes: freezeScopes(intent, option.model),
    isRetry: intent.attempt.number > 1 || intent.attempt.retryOf !== "",
    force: decision.force,
  };
}

function stepOf({ fingerprint, id, parent }: Intent["run"]): RunStep {
  return { fingerprint, id, parent };
}
