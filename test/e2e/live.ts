import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Client, credentials, Metadata, status, type ServiceError } from "@grpc/grpc-js";
import { expect } from "vitest";

import { type Config, loadConfig } from "../../adapters/config.ts";
import { decoder, encoder } from "../../proto/codec.ts";
import { connect, type WeirClient } from "../../adapters/grpc/client.ts";
import { type Service, startService } from "../../adapters/serve.ts";
import { checkLedger, type LedgerCheck } from "../../adapters/serve/ledger-check.ts";
import { createKey } from "../../adapters/keys/keys.ts";
import { openLocalStorage } from "../../adapters/serve/local-storage.ts";
import { SteppedClock } from "../../adapters/system/clock.ts";
import type { FieldViolation, WeirError } from "../../engine/errors.ts";
import { google, weir, type Encodable } from "../../proto/gen/weir.js";
import { START_MS } from "../support/engine.ts";
import { sized } from "./wire.ts";

export type WireIntent = Encodable<weir.v1.Intent>;
export type WireReport = Encodable<weir.v1.UsageReport>;

/** An intent that the starter bundle allows; `change` replaces whole members. */
export function wireIntent(id: string, change: WireIntent = {}): WireIntent {
  return {
    attribution: {
      costCenter: "cc-100",
      environment: "prod",
      feature: "answers",
      service: "search-api",
      team: "search",
      tenant: "acme",
    },
    id,
    model: "openai:gpt-5-mini",
    operation: 1,
    task: "chat",
    tokens: { input: 1_000, outputMax: 500 },
    ...change,
  };
}

const encodeIntent = encoder(weir.v1.Intent);

/** The bytes of a request with a lawful intent and these bytes after it, as part of it. */
export function intentWith(id: string, ...more: readonly Uint8Array[]): Buffer {
  return sized(1, Buffer.concat([encodeIntent(wireIntent(id)), ...more]));
}

export const encodeDecide = encoder(weir.v1.DecideRequest);
export const encodeReport = encoder(weir.v1.ReportRequest);
export const encodeCancel = encoder(weir.v1.CancelRequest);
const decodeDecide = decoder(weir.v1.DecideResponse);
const decodeCancel = decoder(weir.v1.CancelResponse);
const decodeReport = decoder(weir.v1.ReportResponse);
const decodeStatus = decoder(google.rpc.Status);
const decodeErrorInfo = decoder(google.rpc.ErrorInfo);
const decodeBadRequest = decoder(google.rpc.BadRequest);

/** A failed call, as any gRPC client would see it. */
export interface Refusal {
  /** Name of the gRPC code. */
  readonly code: string;
  readonly message: string;
  /** Reason of the ErrorInfo of domain "weir"; "" where there is none. */
  readonly reason: string;
  readonly violations: readonly FieldViolation[];
}

export type Method = "Decide" | "Report" | "Cancel";

/** A service on free ports and a data folder of its own, its clock moved by hand. */
export interface Live {
  readonly service: Service;
  readonly config: Config;
  readonly clock: SteppedClock;
  readonly client: WeirClient;
  readonly faults: readonly WeirError[];
  keyOf(principal: string): string;
  /** Sends these bytes to a unary method; the answer's bytes, or how it was refused. */
  send(method: Method, bytes: Uint8Array, key?: string): Promise<Buffer | Refusal>;
  decide(intent: WireIntent, key?: string): Promise<weir.v1.Decision | Refusal>;
  cancel(decisionId: string, key?: string): Promise<weir.v1.CancelResponse | Refusal>;
  report(report: WireReport, key?: string): Promise<weir.v1.ReportResult | Refusal>;
  /** Posts this text as JSON to the decision endpoint. */
  post(text: string): Promise<{ readonly status: number; readonly body: unknown }>;
  /** Balances that are not nothing, and open reservations: what a refused call must leave as it is. */
  standing(): Promise<{ readonly balances: readonly string[]; readonly open: number }>;
  /** Asks for a lawful decision, which must be allowed, and gives it back. */
  proveItServes(): Promise<void>;
  /** Stops the service, checks the ledger, removes the folder. */
  close(): Promise<LedgerCheck>;
}

/** Longest timer there is: what the stepped clock says is swept when the test says so. */
const NEVER_MS = 2 ** 31 - 1;

export interface LiveOptions {
  readonly flags?: Readonly<Record<string, string>>;
  /** Principals that get an API key; with none, callers are the principal "local". */
  readonly principals?: readonly string[];
}

export async function openLive({ flags = {}, principals = [] }: LiveOptions = {}): Promise<Live> {
  const cwd = mkdtempSync(join(tmpdir(), "weir-e2e-"));
  const free = { "grpc-listen": "127.0.0.1:0", "http-listen": "127.0.0.1:0", "log-sync": "os" };
  const loaded = await loadConfig({ cwd, env: {}, flags: { ...free, ...flags } });
  const config = { ...loaded, sweepIntervalMs: NEVER_MS };
  const keys = new Map<string, string>();
  for (const principal of principals) {
    keys.set(principal, (await createKey(config.data, { note: "", now: 0, principal })).secret);
  }
  const clock = new SteppedClock(START_MS);
  const faults: WeirError[] = [];
  const onFault = (fault: WeirError): void => void faults.push(fault);
  const storage = await openLocalStorage(config, clock, onFault);
  const service = await startService(config, { clock, onFault, storage });
  const address = `127.0.0.1:${service.grpc.port}`;
  const client = connect({ address });
  const raw = new Client(address, credentials.createInsecure());
  const send: Live["send"] = (method, bytes, key) => sendRaw(raw, method, bytes, key);
  const decide: Live["decide"] = async (intent, key) => {
    const answer = await send("Decide", encodeDecide({ intent }), key);
    return isRefusal(answer) ? answer : (decodeDecide(answer).decision as weir.v1.Decision);
  };
  const cancel: Live["cancel"] = async (decisionId, key) => {
    const answer = await send("Cancel", encodeCancel({ decisionId }), key);
    return isRefusal(answer) ? answer : decodeCancel(answer);
  };
  let served = 0;
  return {
    clock,
    client,
    config,
    faults,
    keyOf: (principal) => keys.get(principal) ?? expect.unreachable(`${principal} has no key`),
    service,
    send,
    cancel,
    decide,
    report: async (report, key) => {
      const answer = await send("Report", encodeReport({ report }), key);
      return isRefusal(answer) ? answer : (decodeReport(answer).result as weir.v1.ReportResult);
    },
    post: async (body) => {
      const url = `http://127.0.0.1:${service.http.port}/v1/data/weir/decision`;
      const headers = { "content-type": "application/json" };
      const response = await fetch(url, { body, headers, method: "POST" });
      return { body: await response.json(), status: response.status };
    },
    standing: async () => ({
      balances: (await storage.state.balances())
        .filter(({ held, settled }) => held !== 0n || settled !== 0n)
        .map(({ held, instance, settled }) => `${instance}: held ${held}, settled ${settled}`),
      open: await storage.state.openReservations(),
    }),
    proveItServes: async () => {
      served += 1;
      const [principal = ""] = principals;
      clock.advance(60_000);
      const { effect, id } = accepted(
        await decide(wireIntent(`served-${served}`), keys.get(principal)),
      );
      expect(weir.v1.Effect.EFFECT_ALLOW).toBe(effect);
      expect(accepted(await cancel(id, keys.get(principal)))).toEqual({ released: true });
    },
    close: async () => {
      client.close();
      raw.close();
      await service.stop();
      const check = await checkLedger(config);
      rmSync(cwd, { recursive: true });
      return check;
    },
  };
}

export function isRefusal(answer: object): answer is Refusal {
  return "reason" in answer && "violations" in answer;
}

/** The answer of a call that must succeed. */
export function accepted<Answer extends object>(answer: Answer | Refusal): Answer {
  if (isRefusal(answer)) expect.unreachable(`refused: ${answer.code} ${answer.message}`);
  return answer;
}

/** The refusal of a call that must not. */
export function refused(answer: object): Refusal {
  if (!isRefusal(answer)) expect.unreachable("the call was accepted");
  return answer as Refusal;
}

/** The call is refused exactly so, changes nothing, and the service still decides. */
export async function expectRefused(
  live: Live,
  call: () => Promise<object>,
  want: Refusal,
): Promise<void> {
  const before = await live.standing();
  const got = refused(await call());
  expect(got).toEqual(want);
  expect(got.message).not.toMatch(/^[A-Z]/);
  expect(await live.standing()).toEqual(before);
  await live.proveItServes();
}

/** The refusal of one wrong field. */
export function invalid(
  what: "intent" | "report" | "cancel",
  field: string,
  description: string,
): Refusal {
  return {
    code: "INVALID_ARGUMENT",
    message: `${what} refused: ${field}: ${description}`,
    reason: what === "intent" ? "intent.invalid" : "report.invalid",
    violations: [{ description, field }],
  };
}

function sendRaw(
  client: Client,
  method: Method,
  bytes: Uint8Array,
  key?: string,
): Promise<Buffer | Refusal> {
  const same = (value: Buffer): Buffer => value;
  const metadata = new Metadata();
  if (key !== undefined) metadata.set("authorization", `Bearer ${key}`);
  const path = `/weir.v1.DecisionService/${method}`;
  const options = { deadline: Date.now() + 60_000 };
  return new Promise((resolve) => {
    client.makeUnaryRequest(
      path,
      same,
      same,
      Buffer.from(bytes),
      metadata,
      options,
      (error, answer) => {
        resolve(error === null ? (answer ?? Buffer.alloc(0)) : refusalOf(error));
      },
    );
  });
}

function refusalOf(error: ServiceError): Refusal {
  let reason = "";
  let violations: readonly FieldViolation[] = [];
  const [bytes] = error.metadata.get("grpc-status-details-bin");
  for (const detail of typeof bytes === "object" ? decodeStatus(bytes).details : []) {
    if (detail.type_url.endsWith("/google.rpc.ErrorInfo")) {
      const info = decodeErrorInfo(detail.value);
      if (info.domain === "weir") reason = info.reason;
    } else if (detail.type_url.endsWith("/google.rpc.BadRequest")) {
      violations = decodeBadRequest(detail.value).fieldViolations.map(({ field, description }) => ({
        field,
        description,
      }));
    }
  }
  return {
    code: status[error.code] ?? String(error.code),
    message: error.details,
    reason,
    violations,
  };
}
