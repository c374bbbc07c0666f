import type { RefusalReason } from "../../engine/provider/refusal.ts";
import type { CallDecision, CallIntent, CallReport, Settlement } from "./decision.ts";
import { refusedBy, type Transport, TransportError } from "./transport.ts";

export interface HttpTransportOptions {
  /** "http://127.0.0.1:7351". */
  readonly server: string;
  readonly key?: string | undefined;
  /** The fetch that reaches Weir; default: the runtime's own. */
  readonly fetch?: typeof fetch | undefined;
}

/** Decisions and reports as JSON over HTTP, for runtimes that have nothing but `fetch`. */
export function httpTransport(options: HttpTransportOptions): Transport {
  const base = options.server.replace(/\/+$/, "");
  const send = options.fetch ?? fetch;
  const headers: Record<string, string> = { "content-type": "application/json" };
  if (options.key !== undefined) headers["authorization"] = `Bearer ${options.key}`;
  const post = async (path: string, body: object, timeoutMs: number): Promise<Json> => {
    const signal = AbortSignal.timeout(Math.max(1, Math.ceil(timeoutMs)));
    let response: Response;
    let json: Json;
    try {
      const request = { body: JSON.stringify(body), headers, method: "POST", signal };
      response = await send(base + path, request);
      json = (await response.json()) as Json;
    } catch (cause) {
      const late = signal.aborted;
      const message = late
        ? `no answer within ${Math.ceil(timeoutMs)} ms`
        : `no service at ${base}`;
      throw new TransportError(late ? "deadline" : "unreachable", message, {
        cause,
        isTransient: true,
      });
    }
    if (response.ok) return json;
    const { code, message } = json;
    throw refusedBy(
      typeof code === "string" ? code : "internal",
      typeof message === "string" ? message : `HTTP ${response.status}`,
    );
  };
  return {
    decide: async (intent, timeoutMs) => {
      const body = { input: { intent: intentToJson(intent) } };
      const answer = await post("/v1/data/weir/decision", body, timeoutMs);
      return decisionOf(answer["result"] as Json);
    },
    report: async (report, timeoutMs) => {
      const answer = await post("/v1/report", { report: reportToJson(report) }, timeoutMs);
      return settlementOf(answer["result"] as Json);
    },
    cancel: async (decisionId, timeoutMs) => {
      await post("/v1/cancel", { decision_id: decisionId }, timeoutMs);
    },
    close: () => {},
  };
}

type Json = Readonly<Record<string, unknown>>;

function intentToJson(intent: CallIntent): object {
  const { attempt, fingerprint, id, model, operation, providers, scope, step, tokens } = intent;
  const { costCenter, customer, environment, feature, service, team, tenant, user, run } = scope;
  return {
    id,
    attribution: { costCenter, customer, environment, feature, service, team, tenant, user },
    operation,
    model,
    task: scope.task,
    tokens,
    data: {
      sensitivity: scope.sensitivity,
      classes: scope.dataClasses,
      residency: scope.residency,
    },
    run: run && { id: run.id, depth: run.depth, parent: run.parent, step, fingerprint },
    attempt,
    serviceTier: intent.serviceTier,
    release: scope.release,
    prompt: scope.prompt,
    labels: scope.labels,
    providers,
  };
}

function decisionOf(json: Json): CallDecision {
  const obligations = json["obligations"] as Json;
  const estimate = json["estimate"] as Json;
  return {
    id: json["id"] as string,
    effect: json["effect"] as CallDecision["effect"],
    model: json["model"] as string,
    reasons: (json["reasons"] as CallDecision["reasons"]).map(reasonOf),
    obligations: {
      maxOutputTokens: obligations["max_output_tokens"] as number,
      strip: obligations["strip"] as readonly string[],
      headers: obligations["headers"] as Readonly<Record<string, string>>,
    },
    retryAfterMs: json["retry_after_ms"] as number,
    estimate: {
      expectedMicroUsd: estimate["expected_micro_usd"] as number,
      ceilingMicroUsd: estimate["ceiling_micro_usd"] as number,
    },
    expiresAtMs: json["expires_at_ms"] as number,
    decidedAtMs: json["decided_at_ms"] as number,
    mode: json["mode"] as CallDecision["mode"],
    wouldBe: json["would_be"] as CallDecision["wouldBe"],
  };
}

/** An empty waiver is none. */
function reasonOf({ waiver = "", ...reason }: RefusalReason): RefusalReason {
  return waiver === "" ? reason : { ...reason, waiver };
}

function reportToJson(report: CallReport): object {
  const { basis, decisionId, outcome, rawUsage, serviceTier, unknownUsage, usage } = report;
  return {
    decision_id: decisionId,
    unknown_usage: unknownUsage,
    final: true,
    outcome,
    basis,
    service_tier: serviceTier,
    raw_usage: rawUsage,
    usage: usage && {
      input: usage.input,
      cache_read: usage.cacheRead,
      cache_write_5m: usage.cacheWrite5m,
      cache_write_1h: usage.cacheWrite1h,
      output: usage.output,
      reasoning: usage.reasoning,
    },
  };
}

function settlementOf(json: Json): Settlement {
  return {
    decisionId: json["decision_id"] as string,
    status: json["status"] as Settlement["status"],
    chargedNanoUsd: BigInt(json["charged_nano_usd"] as string),
    flags: json["flags"] as readonly string[],
  };
}
