import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Client, credentials, makeClientConstructor } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { protoPath as healthProto } from "grpc-health-check";
import protobuf from "protobufjs";
import descriptor from "protobufjs/ext/descriptor/index.js";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { loadConfig } from "../../adapters/config.ts";
import { readLog } from "../../adapters/embedded/segments.ts";
import { connect, type WeirClient } from "../../adapters/grpc/client.ts";
import { createKey, revokeKey } from "../../adapters/keys/keys.ts";
import { type Service, startService } from "../../adapters/serve.ts";
import { checkLedger } from "../../adapters/serve/ledger-check.ts";
import { dataLayout } from "../../adapters/serve/local-storage.ts";
import { WeirError } from "../../engine/errors.ts";
import { weir } from "../../proto/gen/weir.js";
import { Random, testSeed } from "../support/random.ts";
import { runWeir, type Started, startWeir } from "./child.ts";
import { wireIntent } from "./live.ts";

let cwd: string;
let services: Service[];
let children: Started[];
let clients: WeirClient[];
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), "weir-service-"));
  services = [];
  children = [];
  clients = [];
});
afterEach(async () => {
  for (const client of clients) client.close();
  for (const service of services) await service.stop();
  for (const { child, exited } of children) {
    if (child.kill("SIGKILL")) await exited;
  }
  rmSync(cwd, { recursive: true });
});

const FREE = { "grpc-listen": "127.0.0.1:0", "http-listen": "127.0.0.1:0" };
const configOf = (flags: Readonly<Record<string, string>> = {}) =>
  loadConfig({ cwd, env: {}, flags: { ...FREE, ...flags } });
async function start(flags: Readonly<Record<string, string>> = {}): Promise<Service> {
  const service = await startService(await configOf(flags));
  services.push(service);
  return service;
}
function open(address: string, key?: string): WeirClient {
  const client = connect(key === undefined ? { address } : { address, key });
  clients.push(client);
  return client;
}
const addressOf = (service: Service): string => `127.0.0.1:${service.grpc.port}`;
const usageOf = (decisionId: string) => ({
  decisionId,
  final: true,
  outcome: 1,
  usage: { input: 1_000, output: 100 },
});

function decisionsInLog(data: string): Set<string> {
  const ids = [...readLog(dataLayout(data).log)].flatMap(({ line }) =>
    line.kind === "decision" ? [line.id] : [],
  );
  return new Set(ids);
}

describe("a service from start to stop", () => {
  test("decides, takes reports and cancels, and its counters move", async () => {
    const service = await start();
    const client = open(addressOf(service));
    const before = await metricsOf(service);
    const allowed = await client.decide(wireIntent("allowed"));
    const dropped = await client.decide(wireIntent("dropped"));
    const blocked = await client.decide(wireIntent("blocked", { model: "openai:none" }));
    expect([allowed.effect, dropped.effect, blocked.effect]).toEqual([1, 1, 4]);
    expect((await client.report(usageOf(allowed.id))).status).toBe(
      weir.v1.ReportStatus.REPORT_STATUS_SETTLED,
    );
    expect((await client.cancel(dropped.id)).released).toBe(true);
    await expect(client.decide({ id: "bad" })).rejects.toMatchObject({ code: "intent.invalid" });
    const after = await metricsOf(service);
    const moved = (name: string): number => (after.get(name) ?? 0) - (before.get(name) ?? 0);
    expect({
      allow: moved('weir_decisions_total{effect="allow",mode="enforce"}'),
      block: moved('weir_decisions_total{effect="block",mode="enforce"}'),
      durations: moved("weir_decision_duration_seconds_count"),
      errors: moved('weir_errors_total{code="intent.invalid"}'),
      open: after.get("weir_reservations_open"),
      settled: moved('weir_reports_total{status="settled"}'),
      unpriced: moved("weir_unpriced_calls_total"),
      usd: moved("weir_settled_usd_total").toFixed(6),
    }).toEqual({
      allow: 2,
      block: 1,
      durations: 3,
      errors: 1,
      open: 0,
      settled: 1,
      unpriced: 1,
      usd: "0.000450",
    });
    expect(await service.stop()).toBe(true);
    expect(await checkLedger(await configOf())).toMatchObject({
      decisions: 3,
      differences: [],
      imbalances: [],
      owed: 0,
    });
  });

  test("health is served, for the whole and by name, and ends with the drain", async () => {
    const service = await start();
    const { Health } = (loadSync(healthProto) as unknown as Record<string, never>)[
      "grpc.health.v1.Health"
    ]
      ? {
          Health: makeClientConstructor(
            loadSync(healthProto)["grpc.health.v1.Health"] as never,
            "Health",
          ),
        }
      : expect.unreachable("there is no health contract");
    const health = new Health(addressOf(service), credentials.createInsecure());
    const check = (name: string): Promise<unknown> =>
      new Promise((resolve) => {
        const done = (error: { code: number } | null, answer?: { status: unknown }): void =>
          resolve(error === null ? answer?.status : error.code);
        (health as unknown as { check(request: object, done: unknown): void }).check(
          { service: name },
          done,
        );
      });
    expect([await check(""), await check("weir.v1.DecisionService"), await check("other")]).toEqual(
      [1, 1, 5],
    );
    const ready = (await fetch(`http://127.0.0.1:${service.http.port}/readyz`)).status;
    expect(ready).toBe(200);
    await service.stop();
    expect(await check("")).toBe(14);
    health.close();
  });

  test("reflection tells a stranger enough to make a call", async () => {
    const service = await start();
    const raw = new Client(addressOf(service), credentials.createInsecure());
    const files = await reflect(raw, "weir.v1.DecisionService");
    const root = (
      protobuf.Root as unknown as { fromDescriptor(set: unknown): protobuf.Root }
    ).fromDescriptor({ file: files });
    const request = root.lookupType("weir.v1.DecideRequest");
    const response = root.lookupType("weir.v1.DecideResponse");
    const intent = wireIntent("reflected");
    const answer = await new Promise<Buffer>((resolve, reject) => {
      const same = (bytes: Buffer): Buffer => bytes;
      const bytes = Buffer.from(request.encode(request.fromObject({ intent })).finish());
      raw.makeUnaryRequest("/weir.v1.DecisionService/Decide", same, same, bytes, (error, value) =>
        error === null ? resolve(value as Buffer) : reject(error),
      );
    });
    expect(response.toObject(response.decode(answer), { enums: String })).toMatchObject({
      decision: { effect: "EFFECT_ALLOW" },
    });
    raw.close();
  });

  test("under load a stop answers what is in flight, flushes the log and frees the ports", async () => {
    const service = await start({ "in-flight-max": "100000" });
    const config = await configOf();
    const answered: string[] = [];
    const refusals: string[] = [];
    const stopped = new AbortController();
    const ask = async (
      name: string,
      decide: (id: string) => Promise<weir.v1.Decision>,
    ): Promise<void> => {
      for (let index = 0; !stopped.signal.aborted; index += 1) {
        try {
          answered.push((await decide(`${name}-${index}`)).id);
        } catch (thrown) {
          refusals.push(WeirError.from(thrown).message);
          return;
        }
      }
    };
    const load = Array.from({ length: 24 }, (_, index) => {
      const client = open(addressOf(service));
      const stream = index % 2 === 0 ? client.decideStream() : client;
      return ask(`c${index}`, (id) => stream.decide(wireIntent(id)));
    });
    await vi.waitUntil(() => answered.length > 300, { interval: 5, timeout: 60_000 });
    expect((await metricsOf(service)).get("weir_reservations_open")).toBeGreaterThan(0);
    expect(await service.stop()).toBe(true);
    stopped.abort();
    await Promise.all(load);
    // A call that was not taken is told so, or found nobody to take it.
    expect(
      refusals.filter((message) => !/shutting down|UNAVAILABLE|the stream has ended/.test(message)),
    ).toEqual([]);
    expect(new Set(answered).size).toBe(answered.length);
    const logged = decisionsInLog(config.data);
    expect(answered.filter((id) => !logged.has(id))).toEqual([]);
    expect(await checkLedger(config)).toMatchObject({ differences: [], imbalances: [], owed: 0 });

    const again = await start({
      "grpc-listen": addressOf(service),
      "http-listen": `127.0.0.1:${service.http.port}`,
    });
    expect([again.grpc.port, again.http.port]).toEqual([service.grpc.port, service.http.port]);
    const first = await open(addressOf(again)).decide(wireIntent("c0-0"));
    expect(first).toMatchObject({ id: answered.find((id) => id === first.id), replayed: true });
  });
});

describe("what is refused at the start", () => {
  test("a second process on a data folder, which is told who has it", async () => {
    const started = await startWeir(cwd);
    children.push(started);
    const data = join(cwd, "weir-data");
    const second = await runWeir(
      cwd,
      "start",
      "--grpc-listen",
      "127.0.0.1:0",
      "--http-listen",
      "127.0.0.1:0",
    );
    expect(second).toEqual({
      code: 2,
      stderr: `weir: data folder ${data} is in use by process ${started.child.pid}; one process per folder\n`,
      stdout: "",
    });
    expect((await open(started.grpc).decide(wireIntent("still"))).effect).toBe(1);
    started.child.kill("SIGTERM");
    expect(await started.exited).toEqual([0, null]);
    const third = await startWeir(cwd);
    children.push(third);
    expect((await open(third.grpc).decide(wireIntent("still"))).replayed).toBe(true);
  });

  test("a taken port, which is named, and nothing stays locked", async () => {
    const started = await startWeir(cwd);
    children.push(started);
    const flags = [
      "start",
      "--data",
      "other",
      "--http-listen",
      "127.0.0.1:0",
      "--grpc-listen",
      started.grpc,
    ];
    const second = await runWeir(cwd, ...flags);
    expect(second.code).toBe(2);
    expect(second.stderr).toMatch(
      new RegExp(`^weir: cannot listen on ${started.grpc}: .*EADDRINUSE.*\n$`),
    );
    children.push(await startWeir(cwd, "--data", "other"));
  });

  test.each([["--grpc-listen"], ["--http-listen"]])(
    "%s beyond this machine, until a key exists",
    async (flag) => {
      const data = join(cwd, "weir-data");
      const refusedStart = await runWeir(cwd, "start", flag, "0.0.0.0:0");
      expect(refusedStart).toEqual({
        code: 2,
        stderr:
          `weir: listening on 0.0.0.0:0 would let every machine in, for there is no API key in ${data}; ` +
          'make one with "weir key create --principal NAME", or listen on 127.0.0.1\n',
        stdout: "",
      });
      expect(
        (await runWeir(cwd, "key", "create", "--principal", "search-service", "--json")).code,
      ).toBe(0);
      const started = await startWeir(cwd, flag, "0.0.0.0:0");
      children.push(started);
      const address = started.grpc.replace("0.0.0.0", "127.0.0.1");
      await expect(open(address).decide(wireIntent("i"))).rejects.toMatchObject({
        code: "auth.unauthenticated",
      });
    },
  );
});

describe("keys of a running service", () => {
  test("one is made, used and revoked, each within a second", async () => {
    // The service asks for the key file by a timer, and the timer goes when the test says so.
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    try {
      const service = await start();
      const { data } = await configOf();
      const anybody = open(addressOf(service));
      expect((await anybody.decide(wireIntent("before"))).effect).toBe(1);

      const { id, secret } = await createKey(data, {
        note: "",
        now: Date.now(),
        principal: "search-service",
      });
      await withinASecond(() => refusal(anybody.decide(wireIntent("after"))), /^no API key given/);
      const owner = open(addressOf(service), secret);
      expect((await owner.decide(wireIntent("mine"))).effect).toBe(1);
      await expect(
        owner.decide(wireIntent("other", { attribution: { tenant: "globex" } })),
      ).rejects.toMatchObject({
        code: "auth.denied",
      });
      const stream = owner.decideStream();
      expect((await stream.decide(wireIntent("on-a-stream"))).effect).toBe(1);

      await revokeKey(data, id, Date.now());
      await withinASecond(
        () => refusal(owner.decide(wireIntent("mine"))),
        new RegExp(`^the API key ${id} was revoked`),
      );
      await expect(stream.decide(wireIntent("on-a-stream-2"))).rejects.toMatchObject({
        code: "auth.unauthenticated",
      });
      await expect(stream.end()).rejects.toMatchObject({ code: "auth.unauthenticated" });
      await expect(anybody.decide(wireIntent("after"))).rejects.toMatchObject({
        code: "auth.unauthenticated",
      });
    } finally {
      vi.useRealTimers();
    }
  });
});

describe("kill -9", () => {
  test("of the real process under load: every decision and report answered is in the log, and it goes on", async () => {
    const seed = testSeed("kill a service");
    const random = new Random(seed);
    const decided = new Map<string, string>();
    const reported = new Set<string>();
    for (let round = 0; round < 3; round += 1) {
      const started = await startWeir(cwd, "--log-sync", "os");
      children.push(started);
      const wanted = decided.size + random.int(20, 400);
      const load = Array.from({ length: 8 }, async (_, caller) => {
        const client = open(started.grpc);
        const stream = caller % 2 === 0 ? client.decideStream() : client;
        for (let index = 0; ; index += 1) {
          const name = `r${round}-${caller}-${index}`;
          const decision = await stream.decide(wireIntent(name)).catch(() => null);
          if (decision === null) return;
          decided.set(decision.id, name);
          if (index % 3 > 0) continue;
          const result = await client.report(usageOf(decision.id)).catch(() => null);
          if (result === null) return;
          reported.add(decision.id);
        }
      });
      await vi.waitUntil(() => decided.size >= wanted, { interval: 1, timeout: 60_000 });
      started.child.kill("SIGKILL");
      await Promise.all([started.exited, ...load]);
    }

    const last = await startWeir(cwd);
    children.push(last);
    const lines = [...readLog(dataLayout(join(cwd, "weir-data")).log)].map(({ line }) => line);
    const logged = new Set(lines.flatMap((line) => (line.kind === "decision" ? [line.id] : [])));
    const settled = new Set(
      lines.flatMap((line) =>
        line.kind === "entry" && line.entry === "settled" ? [line.decision_id] : [],
      ),
    );
    expect(
      [...decided.keys()].filter((id) => !logged.has(id)),
      `seed ${seed}`,
    ).toEqual([]);
    expect(
      [...reported].filter((id) => !settled.has(id)),
      `seed ${seed}`,
    ).toEqual([]);
    const client = open(last.grpc);
    const unreported = [...decided].filter(([id]) => !reported.has(id)).slice(-3);
    for (const [id, name] of unreported) {
      expect(await client.decide(wireIntent(name))).toMatchObject({ id, replayed: true });
    }
    for (const id of [...reported].slice(0, 3)) {
      expect((await client.report(usageOf(id))).status).toBe(
        weir.v1.ReportStatus.REPORT_STATUS_DUPLICATE,
      );
    }
    last.child.kill("SIGTERM");
    expect(await last.exited).toEqual([0, null]);
    const { code, stdout } = await runWeir(cwd, "ledger", "check", "--json");
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      differences: [],
      imbalances: [],
      owed: 0,
      sound: true,
    });
  });
});

/** Samples by name and labels, as the exposition writes them. */
async function metricsOf(service: Service): Promise<Map<string, number>> {
  const text = await (await fetch(`http://127.0.0.1:${service.http.port}/metrics`)).text();
  const samples = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    samples.map((line) => {
      const cut = line.lastIndexOf(" ");
      return [line.slice(0, cut), Number(line.slice(cut + 1))] as const;
    }),
  );
}

async function refusal(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => "",
    (error: WeirError) => error.message,
  );
}

/** Lets one second of timers pass, then waits until what they began is done. */
async function withinASecond(ask: () => Promise<string>, wanted: RegExp): Promise<void> {
  vi.advanceTimersByTime(1_000);
  await vi.waitUntil(async () => wanted.test(await ask()), { interval: 5, timeout: 10_000 });
}

/** The files that define a symbol, as reflection hands them out. */
async function reflect(client: Client, symbol: string): Promise<unknown[]> {
  const root = protobuf.loadSync(
    join(
      import.meta.dirname,
      "../../node_modules/@grpc/reflection/build/proto/grpc/reflection/v1/reflection.proto",
    ),
  );
  const request = root.lookupType("grpc.reflection.v1.ServerReflectionRequest");
  const response = root.lookupType("grpc.reflection.v1.ServerReflectionResponse");
  const same = (bytes: Buffer): Buffer => bytes;
  const call = client.makeBidiStreamRequest(
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    same,
    same,
  );
  call.write(Buffer.from(request.encode({ fileContainingSymbol: symbol }).finish()));
  const answer = await new Promise<Buffer>((resolve, reject) => {
    call.once("data", resolve);
    call.once("error", reject);
  });
  call.end();
  const { fileDescriptorResponse } = response.toObject(response.decode(answer)) as {
    readonly fileDescriptorResponse: { readonly fileDescriptorProto: readonly Uint8Array[] };
  };
  const { FileDescriptorProto } = descriptor as unknown as {
    readonly FileDescriptorProto: protobuf.Type;
  };
  return fileDescriptorResponse.fileDescriptorProto.map((bytes) =>
    FileDescriptorProto.decode(bytes),
  );
}
