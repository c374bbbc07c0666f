import { Client, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import { type Encodable, weir } from "../../proto/gen/weir.js";
import type { CallDecision, CallIntent, CallReport, CallScope, Settlement } from "./decision.ts";
import { CallStream, METHODS } from "./grpc-stream.ts";
import { type Transport, TransportError } from "./transport.ts";

export interface GrpcTransportOptions {
  /** "host:port" or "unix:<path>". */
  readonly server: string;
  readonly key?: string | undefined;
  /** TLS with the system's roots; without it the connection is in clear text. */
  readonly tls?: boolean | undefined;
}

/** Decisions and reports over one connection, each kind multiplexed on one stream. */
export function grpcTransport(options: GrpcTransportOptions): Transport {
  const creds = options.tls === true ? credentials.createSsl() : credentials.createInsecure();
  const client = new Client(options.server, creds, {
    "grpc.enable_http_proxy": 0,
    "grpc.enable_channelz": 0,
    "grpc.use_local_subchannel_pool": 1,
    // A service that comes back is found soon.
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 2_000,
  });
  const metadata = new Metadata();
  if (options.key !== undefined) metadata.set("authorization", `Bearer ${options.key}`);
  const decisions = new CallStream(client, metadata, METHODS.decide);
  const reports = new CallStream(client, metadata, METHODS.report);
  return {
    decide: async (intent, timeoutMs) => {
      const message = messageOf(intent);
      const answer = await decisions.send((tag) => ({ tag, intent: message }), timeoutMs);
      return decisionOf(answer.decision);
    },
    report: async (report, timeoutMs) => {
      const message = reportOf(report);
      const answer = await reports.send((tag) => ({ tag, report: message }), timeoutMs);
      return settlementOf(answer.result);
    },
    cancel: (decisionId, timeoutMs) => cancel(client, metadata, decisionId, timeoutMs),
    close: () => {
      decisions.close();
      reports.close();
      client.close();
    },
  };
}

function cancel(
  client: Client,
  metadata: Metadata,
  decisionId: string,
  timeoutMs: number,
): Promise<void> {
  const { deserialize, path, serialize } = METHODS.cancel;
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      path,
      serialize,
      deserialize,
      { decisionId },
      metadata,
      { deadline: Date.now() + timeoutMs },
      (error: ServiceError | null) => {
        if (error === null) resolve();
        else
          reject(new TransportError("cancel", error.details, { isTransient: false, cause: error }));
      },
    );
  });
}

const { v1 } = weir;
type Numbers = Readonly<Record<string, number>>;

/** The number of a word in an enum of the contract; a word that is none gets 0, which is refused. */
function numberOf(values: Numbers, prefix: string, word: string | undefined): number {
  return word === undefined ? 0 : (values[prefix + word.toUpperCase()] ?? 0);
}

function messageOf(intent: CallIntent): Encodable<weir.v1.Intent> {
  const { attempt, fingerprint, id, model, providers, scope, step, tokens } = intent;
  const { run } = scope;
  return {
    id,
    attribution: attributionOf(scope),
    operation: numberOf(v1.Operation as Numbers, "OPERATION_", intent.operation),
    model,
    task: scope.task,
    tokens,
    data: {
      sensitivity: numberOf(v1.Sensitivity as Numbers, "SENSITIVITY_", scope.sensitivity),
      classes: scope.dataClasses,
      residency: scope.residency,
    },
    run: run && { id: run.id, depth: run.depth, parent: run.parent, step, fingerprint },
    attempt,
    serviceTier: numberOf(v1.ServiceTier as Numbers, "SERVICE_TIER_", intent.serviceTier),
    release: scope.release,
    prompt: scope.prompt,
    labels: scope.labels,
    providers,
  };
}

function attributionOf(scope: CallScope): Encodable<weir.v1.Attribution> {
  const { costCenter, customer, environment, feature, service, team, tenant, user } = scope;
  return { costCenter, customer, environment, feature, service, team, tenant, user };
}

const EFFECTS = ["block", "allow", "reroute", "throttle", "block"] as const;

function decisionOf(message: weir.v1.Decision | null): CallDecision {
  if (message === null) throw new TransportError("internal", "empty answer", { isTransient: true });
  const { estimate, obligations } = message;
  return {
    id: message.id,
    effect: EFFECTS[message.effect] ?? "block",
    model: message.model,
    reasons: message.reasons.map(({ code, message: text, params, rule, shadow, waiver }) => ({
      code,
      message: text,
      params,
      rule,
      shadow,
      ...(waiver !== "" && { waiver }),
    })),
    obligations: {
      maxOutputTokens: Number(obligations?.maxOutputTokens ?? 0),
      strip: obligations?.strip ?? [],
      headers: obligations?.headers ?? {},
    },
    retryAfterMs: Number(message.retryAfterMs),
    estimate: {
      expectedMicroUsd: Number(estimate?.expectedMicroUsd ?? 0),
      ceilingMicroUsd: Number(estimate?.ceilingMicroUsd ?? 0),
    },
    expiresAtMs: Number(message.expiresAtMs),
    decidedAtMs: Number(message.decidedAtMs),
    mode: message.mode === v1.Mode.MODE_SHADOW ? "shadow" : "enforce",
    wouldBe: message.wouldBe === 0 ? null : (EFFECTS[message.wouldBe] ?? null),
  };
}

function reportOf(report: CallReport): Encodable<weir.v1.UsageReport> {
  const { basis, decisionId, outcome, rawUsage, serviceTier, unknownUsage, usage } = report;
  return {
    unknownUsage,
    decisionId,
    final: true,
    outcome: numberOf(v1.Outcome as Numbers, "OUTCOME_", outcome),
    basis: numberOf(v1.Basis as Numbers, "BASIS_", basis),
    serviceTier,
    rawUsage,
    usage: usage && {
      input: usage.input,
      cacheRead: usage.cacheRead,
      cacheWrite_5m: usage.cacheWrite5m,
      cacheWrite_1h: usage.cacheWrite1h,
      output: usage.output,
      reasoning: usage.reasoning,
    },
  };
}

const STATUSES = ["posted", "posted", "settled", "duplicate", "superseded", "corrected"] as const;

function settlementOf(message: weir.v1.ReportResult | null): Settlement {
  if (message === null) throw new TransportError("internal", "empty answer", { isTransient: true });
  const { chargedNanoUsd, decisionId, flags, status } = message;
  return {
    decisionId,
    status: STATUSES[status] ?? "posted",
    chargedNanoUsd: BigInt(chargedNanoUsd),
    flags,
  };
}
