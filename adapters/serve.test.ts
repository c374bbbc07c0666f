import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { WeirError } from "../engine/errors.ts";
import { loadConfig } from "./config.ts";
import { connect } from "./grpc/client.ts";
import { createKey } from "./keys/keys.ts";
import { type Service, startService } from "./serve.ts";
import { checkLedger } from "./serve/ledger-check.ts";

const INTENT = {
  attribution: {
    tenant: "acme",
    team: "search",
    feature: "answers",
    service: "search-api",
    costCenter: "cc-100",
    environment: "prod",
  },
  operation: 1,
  model: "openai:gpt-5-mini",
  task: "chat",
  tokens: { input: 1_000, outputMax: 500 },
};

let cwd: string;
let services: Service[];
let faults: WeirError[];
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), "weir-serve-"));
  services = [];
  faults = [];
});
afterEach(async () => {
  for (const service of services) await service.stop();
  rmSync(cwd, { recursive: true });
});

const configOf = (flags: Record<string, string> = {}) =>
  loadConfig({
    flags: { "grpc-listen": "127.0.0.1:0", "http-listen": "127.0.0.1:0", ...flags },
    env: {},
    cwd,
  });
const start = async (flags: Record<string, string> = {}): Promise<Service> => {
  const service = await startService(await configOf(flags), {
    onFault: (fault) => faults.push(fault),
  });
  services.push(service);
  return service;
};
const httpOf = (service: Service, path: string): string =>
  `http://127.0.0.1:${service.http.port}${path}`;

it("decides over gRPC and HTTP on one state, and shows it in metrics", async () => {
  const service = await start();
  const client = connect({ address: `127.0.0.1:${service.grpc.port}` });
  const decision = await client.decide({ ...INTENT, id: "i1" });
  expect(decision.model).toBe("openai:gpt-5-mini");
  const again = await fetch(httpOf(service, "/v1/data/weir/decision"), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ input: { intent: { ...INTENT, id: "i1", operation: "chat" } } }),
  });
  expect(await again.json()).toMatchObject({
    decision_id: decision.id,
    result: { replayed: true },
  });
  const report = {
    decisionId: decision.id,
    final: true,
    outcome: 1,
    usage: { input: 1_000, output: 100 },
  };
  await client.report(report);
  client.close();
  expect((await fetch(httpOf(service, "/readyz"))).status).toBe(200);
  const metrics = await (await fetch(httpOf(service, "/metrics"))).text();
  expect(metrics).toContain('weir_reports_total{status="settled"} 1');
  expect(metrics).toContain("weir_reservations_open 0");
  expect(metrics).toContain(service.bundle.digest);
  expect(faults).toEqual([]);
});

it("rebuilds its state from the log, and the ledger is sound", async () => {
  const first = await start();
  const client = connect({ address: `127.0.0.1:${first.grpc.port}` });
  const decision = await client.decide({ ...INTENT, id: "i1" });
  await client.decide({ ...INTENT, id: "i2", model: "openai:unknown" });
  client.close();
  expect(await first.stop()).toBe(true);
  const second = await start();
  const reopened = connect({ address: `127.0.0.1:${second.grpc.port}` });
  expect(await reopened.decide({ ...INTENT, id: "i1" })).toMatchObject({
    id: decision.id,
    replayed: true,
  });
  reopened.close();
  const check = await checkLedger(await configOf());
  expect(check).toMatchObject({ decisions: 2, owed: 0, differences: [], imbalances: [] });
  expect(check.instances).toBeGreaterThan(0);
});

it("keeps a data folder to one process and leaves nothing open when it fails", async () => {
  const service = await start();
  await expect(start()).rejects.toMatchObject({ code: "config.invalid" });
  await service.stop();
  const taken = await start();
  const other = join(cwd, "other");
  const listen = `127.0.0.1:${taken.grpc.port}`;
  await expect(start({ data: other, "grpc-listen": listen })).rejects.toThrow("cannot listen");
  await start({ data: other });
});

it("listens beyond this machine only once a key exists", async () => {
  const open = { "http-listen": "0.0.0.0:0" };
  await expect(start(open)).rejects.toMatchObject({
    code: "config.invalid",
    message: expect.stringContaining("weir key create"),
  });
  const config = await configOf();
  const { secret } = await createKey(config.data, {
    principal: "search-service",
    note: "",
    now: 0,
  });
  const service = await start(open);
  const ask = (headers: Record<string, string>) =>
    fetch(httpOf(service, "/v1/data/weir/decision"), {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify({ input: { intent: { ...INTENT, id: "i1", operation: "chat" } } }),
    });
  expect((await ask({})).status).toBe(401);
  expect((await ask({ authorization: `Bearer ${secret}` })).status).toBe(200);
  expect((await fetch(httpOf(service, "/healthz"))).status).toBe(200);
});

it("names a bundle that is not there", async () => {
  await expect(start({ bundle: "nowhere" })).rejects.toMatchObject({ code: "bundle.invalid" });
});
