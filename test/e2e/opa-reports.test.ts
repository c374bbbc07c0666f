import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { gunzipSync } from "node:zlib";

import { beforeAll, expect, onTestFinished, test } from "vitest";

import { scratchFolder } from "../../adapters/bundles/testing/keys.ts";
import { variant, writeFolder } from "../../adapters/bundles/testing/variant.ts";
import { loadConfig } from "../../adapters/config.ts";
import { readLog } from "../../adapters/embedded/segments.ts";
import { connectAdmin } from "../../adapters/grpc/admin-client.ts";
import { connect } from "../../adapters/grpc/client.ts";
import { startService } from "../../adapters/serve.ts";
import { provideOpa } from "../support/opa.ts";
import { freePort } from "../support/peer.ts";
import { wireIntent } from "./live.ts";

// Goal: a server that collects OPA's decision logs and status takes Weir's as it takes OPA's, misses none
// while it is away, and gets none twice from a service that was stopped in peace. Method: one collector,
// which an OPA reports to as well; what is compared is the form of both.

type Json = Record<string, unknown>;

interface Collector {
  readonly events: Json[];
  readonly statuses: Json[];
  readonly tokens: Set<string | undefined>;
  close(): Promise<void>;
}

async function collect(port: number): Promise<Collector> {
  const [events, statuses, tokens] = [[] as Json[], [] as Json[], new Set<string | undefined>()];
  const server = createServer((request, response) => {
    const cutShort = (): void => void response.destroy();
    const taken = (body: Buffer): unknown => {
      tokens.add(request.headers.authorization);
      const zipped = request.headers["content-encoding"] === "gzip";
      const document = JSON.parse(String(zipped ? gunzipSync(body) : body)) as Json & Json[];
      if (request.url === "/logs" && zipped && body.length <= 2_048) events.push(...document);
      else if (request.url === "/status") statuses.push(document);
      else return response.writeHead(413).end();
      return response.writeHead(200).end();
    };
    void buffer(request).then(taken, cutShort);
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  onTestFinished(async () => void (server.listening && (await close())));
  return { close, events, statuses, tokens };
}

async function start(cwd: string, port: number) {
  const faults: string[] = [];
  const flags = {
    "grpc-listen": "127.0.0.1:0",
    "http-listen": "127.0.0.1:0",
    "opa-service": `http://127.0.0.1:${port}`,
    "opa-token": "secret",
    "opa-upload-limit": "2048",
  };
  const config = await loadConfig({ cwd, env: {}, flags });
  const service = await startService(config, { onFault: ({ code }) => void faults.push(code) });
  const address = `127.0.0.1:${service.grpc.port}`;
  const [admin, client] = [connectAdmin({ address }), connect({ address })];
  let count = 0;
  return {
    admin,
    faults,
    decide: async () => (await client.decide(wireIntent(`${address}-${(count += 1)}`))).id,
    metrics: async () => (await fetch(`http://127.0.0.1:${service.http.port}/metrics`)).text(),
    stop: async () => {
      admin.close();
      client.close();
      await service.stop();
    },
  };
}

const PATIENT = { interval: 100, timeout: 60_000 };
const idsOf = ({ events }: Collector) => events.map((event) => event["decision_id"]);

test(
  "the collector gets every decision, those of when it was away too, and what the bundle does",
  { timeout: 300_000 },
  async () => {
    const cwd = scratchFolder();
    const port = await freePort();
    const first = await start(cwd, port);
    const made = [await first.decide(), await first.decide(), await first.decide()];
    await expect.poll(() => first.faults, PATIENT).toContain("upload.failed");
    const collector = await collect(port);
    await expect.poll(() => idsOf(collector), PATIENT).toEqual(made);
    const metrics = await first.metrics();
    expect(metrics).toContain("weir_decision_logs_sent_total 3");
    expect(metrics).toContain("weir_decision_logs_dropped_total 0");
    expect(collector.tokens).toEqual(new Set(["Bearer secret"]));

    const source = writeFolder(join(cwd, "second"), variant("r2"));
    await first.admin.activateBundle({ reason: "x", source });
    await expect
      .poll(() => collector.statuses.at(-1), PATIENT)
      .toMatchObject({
        bundles: { weir: { active_revision: "r2" } },
        labels: { app: "weir" },
        plugins: { bundle: { state: "OK" } },
      });
    made.push(await first.decide());
    await expect.poll(() => idsOf(collector), PATIENT).toEqual(made);
    await first.stop();

    const again = await start(cwd, port);
    made.push(await again.decide());
    await expect.poll(() => idsOf(collector), PATIENT).toEqual(made);
    await again.stop();

    const records = [...readLog(join(cwd, "weir-data/log"))].flatMap(({ line }) =>
      line.kind === "decision" ? [line] : [],
    );
    expect(collector.events.map(({ input, result }) => ({ input, result }))).toEqual(
      records.map(({ evaluations }) => ({
        input: evaluations[0]?.input,
        result: evaluations[0]?.verdict,
      })),
    );
    expect(collector.events.at(-1)).toMatchObject({
      bundles: { weir: { revision: "r2" } },
      custom: { effect: "allow", mode: "enforce", tenant: "acme" },
    });
  },
);

/** Names and kinds of a document's members. */
const formOf = (document: Json = {}) =>
  Object.fromEntries(Object.entries(document).map(([name, value]) => [name, typeof value]));

test(
  "the form is OPA's: what both say has the same names and kinds",
  { timeout: 900_000 },
  async () => {
    const cwd = scratchFolder();
    const port = await freePort();
    const weirs = await collect(port);
    const service = await start(cwd, port);
    await service.decide();
    await expect.poll(() => weirs.events.length, PATIENT).toBe(1);
    await service.stop();

    const opasPort = await freePort();
    const opas = await collect(opasPort);
    writeFileSync(join(cwd, "weir.rego"), 'package weir\n\ndecision := {"effect": input.effect}\n');
    const config = {
      decision_logs: { reporting: { max_delay_seconds: 1, min_delay_seconds: 1 }, service: "own" },
      services: { own: { url: `http://127.0.0.1:${opasPort}` } },
      status: { service: "own" },
    };
    writeFileSync(join(cwd, "opa.json"), JSON.stringify(config));
    const address = `127.0.0.1:${await freePort()}`;
    const opa = spawn(
      provideOpa(),
      ["run", "--server", "--addr", address, "-c", join(cwd, "opa.json"), join(cwd, "weir.rego")],
      { stdio: "ignore" },
    );
    onTestFinished(() => void opa.kill("SIGKILL"));
    const asked = async (): Promise<number> => {
      const body = JSON.stringify({ input: { effect: "allow" } });
      const headers = { "content-type": "application/json" };
      const url = `http://${address}/v1/data/weir/decision`;
      return (await fetch(url, { body, headers, method: "POST" }).catch(() => null))?.status ?? 0;
    };
    await expect.poll(asked, PATIENT).toBe(200);
    await expect.poll(() => opas.events.length, PATIENT).toBeGreaterThan(0);

    // An OPA without a bundle says nothing of one, and has nothing of its own to add.
    const { bundles, custom, ...ours } = formOf(weirs.events[0]);
    expect([bundles, custom]).toEqual(["object", "object"]);
    expect(formOf(opas.events[0])).toMatchObject(ours);
    expect(opas.events[0]?.["path"]).toBe(weirs.events[0]?.["path"]);
    const { bundles: _, decision_logs: __, ...status } = formOf(weirs.statuses[0]);
    // OPA names its plugins once they run.
    await expect.poll(() => formOf(opas.statuses.at(-1)), PATIENT).toMatchObject(status);
  },
);

beforeAll(() => void provideOpa(), 900_000);
