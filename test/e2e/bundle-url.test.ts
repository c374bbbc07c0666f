import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { expect, onTestFinished, test } from "vitest";

import { type BundleArchive, pack } from "../../adapters/bundles/archive.ts";
import { readSigningKey } from "../../adapters/bundles/keys.ts";
import { signArchive } from "../../adapters/bundles/signature.ts";
import { scratchFolder, writeKeys } from "../../adapters/bundles/testing/keys.ts";
import { variant } from "../../adapters/bundles/testing/variant.ts";
import { loadConfig } from "../../adapters/config.ts";
import { readLog } from "../../adapters/embedded/segments.ts";
import { connectAdmin } from "../../adapters/grpc/admin-client.ts";
import { connect } from "../../adapters/grpc/client.ts";
import { startService } from "../../adapters/serve.ts";
import { runWeir, WEIR } from "./child.ts";
import { wireIntent } from "./live.ts";

// Goal: a service whose bundle comes from a server decides with what the server offers once it is signed
// and tried, and with the last good one whatever else comes, or nothing. Method: `weir bundle serve` as
// a process, which OPA itself loads bundles from in adapters/bundles/serve.test.ts.

/** The server as a process of its own. */
async function serve(folder: string): Promise<{ url: string; end(): Promise<void> }> {
  const args = [WEIR, "bundle", "serve", folder, "--listen", "127.0.0.1:0", "--json"];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "exit");
  const end = async (): Promise<void> => {
    child.kill("SIGTERM");
    await exited;
  };
  onTestFinished(end);
  const [line] = (await once(createInterface(child.stdout), "line")) as [string];
  const { bundles } = JSON.parse(line) as { bundles: string[] };
  return { end, url: bundles[0] ?? "" };
}

async function start(cwd: string, url: string, keys: string) {
  const faults: string[] = [];
  const flags = {
    bundle: url,
    "bundle-keys": keys,
    "bundle-poll": "100ms",
    "grpc-listen": "127.0.0.1:0",
    "http-listen": "127.0.0.1:0",
  };
  const config = await loadConfig({ cwd, env: {}, flags });
  const service = await startService(config, {
    onFault: ({ message }) => void faults.push(message),
  });
  const address = `127.0.0.1:${service.grpc.port}`;
  const [admin, client] = [connectAdmin({ address }), connect({ address })];
  let count = 0;
  return {
    admin,
    faults,
    decidedWith: async (): Promise<string> => {
      const id = `${faults.length}-${(count += 1)}-${address}`;
      const { bundleRevision, effect } = await client.decide(wireIntent(id));
      expect(effect).toBe(1);
      return bundleRevision;
    },
    metrics: async () => (await fetch(`http://127.0.0.1:${service.http.port}/metrics`)).text(),
    stop: async () => {
      admin.close();
      client.close();
      await service.stop();
    },
  };
}

const PATIENT = { interval: 100, timeout: 60_000 };

test(
  "the server's bundle decides, then its next; unsigned and failing ones do not; away, the last good one does",
  { timeout: 300_000 },
  async () => {
    const cwd = scratchFolder();
    const keys = writeKeys(cwd, "ES256");
    const sign = (files: BundleArchive) => signArchive(files, readSigningKey(keys.private));
    const folder = join(cwd, "served");
    mkdirSync(folder);
    // Renamed into place: what is half written is nobody's offer.
    const offer = (files: BundleArchive): void => {
      writeFileSync(join(cwd, "next"), pack(files));
      renameSync(join(cwd, "next"), join(folder, "prod.tar.gz"));
    };
    offer(await sign(variant("r1")));
    const server = await serve(folder);
    const first = await start(cwd, server.url, keys.public);
    expect(await first.decidedWith()).toBe("r1");

    offer(await sign(variant("r2")));
    await expect.poll(first.decidedWith, PATIENT).toBe("r2");

    const problem = async () => (await first.admin.getBundleStatus()).problem;
    offer(variant("r3"));
    await expect.poll(problem, PATIENT).toContain("it holds no .signatures.json");
    const wrong = [{ effect: "allow", input: {}, name: "nothing given" }];
    const failing = new Map([
      ...variant("r4"),
      ["smoke.json", Buffer.from(JSON.stringify(wrong))] as const,
    ]);
    offer(await sign(failing));
    await expect
      .poll(problem, PATIENT)
      .toContain("nothing given: the effect is block, it has to be allow");
    expect(await first.decidedWith()).toBe("r2");
    const metrics = await first.metrics();
    expect(metrics).toContain('weir_bundle_changes_total{change="activated"} 1');
    expect(metrics).toContain("weir_bundle_problem 1");
    expect(metrics).toContain('weir_bundle_info{revision="r2"');
    expect(first.faults.join("\n")).toContain("is refused: the bundle has no valid signature");

    await server.end();
    await expect.poll(problem, PATIENT).toContain("cannot be fetched");
    expect(await first.decidedWith()).toBe("r2");
    await first.stop();
    const again = await start(cwd, server.url, keys.public);
    expect(await again.decidedWith()).toBe("r2");
    const { after } = await again.admin.rollbackBundle("r2 was no better");
    expect([after?.revision, await again.decidedWith()]).toEqual(["r1", "r1"]);
    await again.stop();

    const changes = [...readLog(join(cwd, "weir-data/log"))].flatMap(({ line }) =>
      line.kind === "bundle" ? [[line.change, line.revision, line.actor]] : [],
    );
    expect(changes).toEqual([
      ["activated", "r1", expect.any(String)],
      ["activated", "r2", "weir"],
      expect.arrayContaining(["refused", "weir"]),
      expect.arrayContaining(["refused", "weir"]),
      ["rolled_back", "r1", "local"],
    ]);
    // Each is a leaf of the log's tree.
    const verified = await runWeir(cwd, "audit", "verify", "weir-data");
    expect(verified).toMatchObject({ code: 0, stderr: "" });
    const told = await runWeir(cwd, "audit", "report");
    expect(told.stdout).toMatch(/local went back to bundle [0-9a-f]{12}: r2 was no better/);
  },
);

test(
  "a first start without an answer from the server says so and ends",
  { timeout: 300_000 },
  async () => {
    const cwd = scratchFolder();
    writeFileSync(join(cwd, "weir.yaml"), "bundle: http://127.0.0.1:1/prod.tar.gz\n");
    const { code, stderr } = await runWeir(cwd, "start");
    expect(code).toBe(1);
    expect(stderr).toMatch(/weir: http:\/\/127.0.0.1:1\/prod.tar.gz cannot be fetched: .*\n$/);
  },
);
