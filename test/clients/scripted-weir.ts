import { startGrpcServer } from "../../adapters/grpc/server.ts";
import { startHttpServer } from "../../adapters/http/server.ts";
import type { Decision } from "../../engine/decision/decision.ts";
import { WeirError } from "../../engine/errors.ts";
import { parseIntent } from "../../engine/intent/parse.ts";
import type { Intent } from "../../engine/intent/intent.ts";
import { parseReport } from "../../engine/ledger/parse-report.ts";
import type { Report } from "../../engine/ledger/report.ts";
import type { Weir } from "../../engine/weir.ts";
import { decisionOf } from "../support/decision.ts";

/** What a call's task makes the service answer. */
export const EFFECTS = ["allow", "cap", "reroute", "throttle", "block"] as const;
export type ScriptedEffect = (typeof EFFECTS)[number];

/** How long a throttled call has to wait, ms. */
export const RETRY_AFTER_MS = 40;
export const CAP = 2;

/** Weir on the real wire, deciding by the call's task; what it is asked and told is kept. */
export interface ScriptedWeir {
  readonly grpc: string;
  readonly http: string;
  readonly intents: Intent[];
  readonly reports: Report[];
  readonly cancelled: string[];
  /** Refuses so many of the next reports as if the service were overloaded. */
  overload(reports: number): void;
  /** Model a reroute leads to; by default the asked one's provider with the model "small". */
  rerouteTo: string | null;
  close(): Promise<void>;
}

/** Starts one; gRPC on `port` where it is given. */
export async function startScriptedWeir(port = 0): Promise<ScriptedWeir> {
  const intents: Intent[] = [];
  const reports: Report[] = [];
  const cancelled: string[] = [];
  let overloaded = 0;
  let count = 0;
  const weir: Weir = {
    decide: async (raw) => {
      const intent = parseIntent(raw, "tester");
      intents.push(intent);
      return answerTo(intent, `d-${(count += 1)}`, scripted.rerouteTo);
    },
    report: async (raw) => {
      if (overloaded > 0) {
        overloaded -= 1;
        throw new WeirError("server.overloaded", "scripted");
      }
      const report = parseReport(raw);
      reports.push(report);
      const { decisionId, usage } = report;
      const chargedNanoUsd = BigInt(usage.input * 250 + usage.output * 2_000);
      return {
        chargedNanoUsd,
        costPicoUsd: chargedNanoUsd * 1_000n,
        decisionId,
        flags: [],
        status: "settled",
      };
    },
    cancel: async (id) => {
      cancelled.push(id);
      return { released: true };
    },
    undelivered: async () => {},
    sweep: async () => 0,
    idle: async () => {},
  };
  const authenticator = { authenticate: () => ({ principal: "tester" }) };
  const place = { authenticator, host: "127.0.0.1", port: 0 };
  const grpc = await startGrpcServer({ ...place, port, weir });
  const http = await startHttpServer({
    ...place,
    weir: () => weir,
    metrics: async () => ({ contentType: "text/plain", text: "" }),
    readiness: () => "ready",
  });
  const scripted: ScriptedWeir = {
    grpc: `127.0.0.1:${grpc.port}`,
    http: `http://127.0.0.1:${http.port}`,
    intents,
    reports,
    cancelled,
    rerouteTo: null,
    overload: (some) => {
      overloaded = some;
    },
    close: async () => {
      await Promise.all([grpc.drain(100), http.drain(100)]);
    },
  };
  return scripted;
}

function answerTo(intent: Intent, id: string, rerouteTo: string | null): Decision {
  const { attempt, model, task } = intent;
  const common = decisionOf({ askedModel: model, id, model });
  switch (task) {
    case "cap":
      return { ...common, obligations: { max_output_tokens: CAP } };
    case "reroute":
      return {
        ...common,
        effect: "reroute",
        model: rerouteTo ?? `${model.split(":")[0]}:small`,
        reasons: [reason("routing.overkill", "Overkill", "a smaller model is enough", {})],
      };
    case "throttle":
      if (attempt.number > 1) return common;
      return {
        ...common,
        effect: "throttle",
        model: "",
        reasons: [reason("velocity.hot", "Too fast", "team search spends too fast", {})],
        retryAfterMs: RETRY_AFTER_MS,
      };
    case "block": {
      const params = { budget: "search-day", resets_in_ms: 3_600_000 };
      const message = "budget search-day has $0.00 left, the call may cost $0.40";
      const exhausted = reason("budget.exhausted", "Budget exhausted", message, params);
      return { ...common, effect: "block", model: "", reasons: [exhausted] };
    }
    default:
      return common;
  }
}

function reason(
  code: string,
  rule: string,
  message: string,
  params: Readonly<Record<string, string | number>>,
): Decision["reasons"][number] {
  return { code, message, params, rule, severity: "error" };
}
