import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, expect, test } from "vitest";

import { fakeTerminal } from "../../adapters/cli/fake-terminal.ts";
import { runWeir } from "../../adapters/cli/main.ts";
import { loadConfig } from "../../adapters/config.ts";
import { connect } from "../../adapters/grpc/client.ts";
import { type Service, startService } from "../../adapters/serve.ts";
import { startTestPostgres, type TestPostgres } from "../support/postgres.ts";

// Goal: a ledger in Postgres is never on the way of a decision, and what was decided while the
// database was away is in it afterwards, once.
// Method: two services on one real server that is killed and started between their calls.

let postgres: TestPostgres;
let cwd: string;
let ledger: string;
const services: Service[] = [];
beforeAll(async () => {
  postgres = await startTestPostgres();
  ledger = await postgres.database();
  cwd = mkdtempSync(join(tmpdir(), "weir-postgres-ledger-"));
}, 120_000);
afterAll(async () => {
  await Promise.all(services.map((service) => service.stop()));
  await postgres?.close();
  rmSync(cwd, { force: true, recursive: true });
});

async function started(data: string): Promise<Service> {
  const flags = { data, "grpc-listen": "127.0.0.1:0", "http-listen": "127.0.0.1:0", ledger };
  const service = await startService(await loadConfig({ cwd, env: {}, flags }));
  services.push(service);
  return service;
}

async function weir(service: Service, ...argv: string[]) {
  const terminal = fakeTerminal(cwd, { WEIR_SERVER: `127.0.0.1:${service.grpc.port}` });
  const exit = await runWeir([...argv, "--json"], terminal);
  return { answer: JSON.parse(terminal.printed.join("\n")), exit };
}

const callsOf = async (service: Service): Promise<number> =>
  (await weir(service, "ledger", "summary")).answer.total?.calls ?? -1;

/** One call, decided and reported. */
async function call(service: Service, id: string): Promise<void> {
  const client = connect({ address: `127.0.0.1:${service.grpc.port}` });
  try {
    const { id: decisionId } = await client.decide({
      attribution: {
        costCenter: "cc-100",
        environment: "prod",
        feature: "answers",
        service: "search-api",
        team: "search",
        tenant: "acme",
      },
      data: { sensitivity: 2 },
      id,
      model: "openai:gpt-5-mini",
      operation: 1,
      task: "chat",
      tokens: { input: 1_000, outputMax: 500 },
    });
    const usage = { input: 1_000, output: 200 };
    await client.report({ decisionId, final: true, outcome: 1, usage });
  } finally {
    client.close();
  }
}

test("calls are decided while it is away, and are in the ledger once it is back", async () => {
  const terminal = fakeTerminal(cwd, { WEIR_LEDGER: ledger });
  expect(await runWeir(["migrate"], terminal)).toBe(0);
  expect(await runWeir(["migrate"], terminal)).toBe(0);
  expect(terminal.printed).toEqual([
    "the ledger's tables are at version 2; applied: ledger, daily sums",
    "the ledger's tables are at version 2; they were already",
  ]);

  const [one, other] = [await started("one"), await started("other")];
  await call(one, "before");
  await call(other, "before too");
  await expect.poll(() => callsOf(one), { interval: 100, timeout: 30_000 }).toBe(2);

  await postgres.kill();
  await call(one, "meanwhile");
  const { answer, exit } = await weir(one, "ledger", "summary");
  expect(exit).toBe(1);
  expect(answer.error).toMatchObject({
    code: "ledger.unavailable",
    message: expect.stringMatching(/^the ledger's Postgres fails: /),
  });

  await postgres.start();
  await call(other, "after");
  for (const service of [one, other]) {
    await expect.poll(() => callsOf(service), { interval: 100, timeout: 60_000 }).toBe(4);
  }
  const scanned = await weir(other, "ledger", "summary", "--scan");
  expect(scanned.answer.total).toMatchObject({ calls: 4, cost_pico_usd: "2600000000" });
}, 180_000);
