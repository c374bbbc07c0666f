import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readLog } from "../../adapters/embedded/segments.ts";
import { writeBundle } from "../../adapters/opa/compile.ts";
import { type NodeWeir, openWeir, WeirBlockedError } from "../../adapters/sdk/node.ts";
import { dataLayout } from "../../adapters/serve/local-storage.ts";
import type { PolicyInput } from "../../engine/policy/input.ts";
import { firstInput } from "../../engine/record/record.ts";
import { type Live, openLive } from "../e2e/live.ts";
import { changedFiles } from "../support/bundle.ts";

// Goal: what an agent does counts to its run wherever it is done, and its tools are decided like its models.
// Method: the SDK on a real service whose catalogue holds a tool, workers in processes of their own.

const TOOL = "tool:web-search";
const SCOPE = {
  costCenter: "cc-100",
  environment: "prod",
  feature: "answers",
  service: "search-api",
  team: "search",
  tenant: "acme",
} as const;

let folder: string;
let live: Live;
let weir: NodeWeir;

interface PriceBook {
  readonly rows: object[];
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "weir-agents-"));
  const files = changedFiles((config) => {
    const models = config["models"] as Record<string, object>;
    models[TOOL] = { ...models["openai:gpt-5-mini"], operations: ["tool"], provider: "tool" };
    const { rows } = config["prices"] as unknown as PriceBook;
    rows.push({
      model: TOOL,
      tier: "standard",
      above_tokens: 0,
      from: "2025-01-01",
      to: null,
      source: "the contract with the search engine",
      micro_usd_per_mtok: { input: 0, output: 0 },
      micro_usd_per_request: 5_000,
    });
    const { search } = config["teams"] as { search: { models: string[] } };
    search.models.push("tool:*");
  });
  writeBundle(folder, files);
  live = await openLive({ flags: { bundle: folder } });
  weir = openWeir({ defaults: SCOPE, server: `127.0.0.1:${live.service.grpc.port}` });
});

afterAll(async () => {
  rmSync(folder, { force: true, recursive: true });
});

const WORKER = `
  import { openWeir } from ${JSON.stringify(join(import.meta.dirname, "../../adapters/sdk/node.ts"))};
  const { HEADERS, SCOPE, SERVER } = process.env;
  const weir = openWeir({ defaults: JSON.parse(SCOPE), server: SERVER });
  const usage = { input: 100, output: 50 };
  const ask = () => weir.guard({ input: 100, model: "openai:gpt-5-mini", outputMax: 50 }, async () => ({ usage, value: 1 }));
  await weir.resume(JSON.parse(HEADERS), async () => { await ask(); await ask(); });
  if (!(await weir.close())) throw new Error("not all was reported");
`;

/** An agent's worker in a process of its own, which makes two calls. */
async function work(headers: object): Promise<string> {
  const env = {
    ...process.env,
    HEADERS: JSON.stringify(headers),
    SCOPE: JSON.stringify(SCOPE),
    SERVER: `127.0.0.1:${live.service.grpc.port}`,
  };
  const child = spawn(process.execPath, ["--input-type=module", "-e", WORKER], { env });
  const [stderr] = await Promise.all([text(child.stderr), once(child, "close")]);
  return stderr;
}

/** What the policy was given of each decision, in order. */
function inputs(): readonly PolicyInput[] {
  const lines = [...readLog(dataLayout(live.config.data).log)].map(({ line }) => line);
  return lines.flatMap((line) => (line.kind === "decision" ? [firstInput(line)] : []));
}

test("an agent, its tools and its workers in other processes are one run", async () => {
  const headers = await weir.run({}, async () => {
    const found = await weir.guard({ input: "weirs of the Thames", model: TOOL }, async () => ({
      usage: { input: 5, output: 0 },
      value: "45",
    }));
    expect(found).toBe("45");
    return weir.propagation();
  });
  expect(headers["traceparent"]).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  expect(await Promise.all([work(headers), work(headers)])).toEqual(["", ""]);
  // A tool that nobody entered into the catalogue is not run.
  const shell = weir.guard({ model: "tool:shell" }, () => Promise.reject(new Error("was run")));
  await expect(shell).rejects.toBeInstanceOf(WeirBlockedError);
  await expect(shell).rejects.toMatchObject({ code: "authorization.unknown_model" });
  expect(await weir.close()).toBe(true);
  const calls = inputs().filter(({ intent }) => intent.run.id !== "");
  const [tool, ...others] = calls.map(({ intent }) => intent);
  const id = headers["traceparent"]?.split("-")[1];
  expect(calls.map(({ intent }) => intent.run.id)).toEqual(Array.from({ length: 5 }, () => id));
  expect(tool).toMatchObject({ model: TOOL, operation: "tool", run: { depth: 0, step: 1 } });
  expect(others.map(({ run }) => run.step).toSorted((a, b) => (a ?? 0) - (b ?? 0))).toEqual([
    2, 2, 3, 3,
  ]);
  expect(others.map(({ run }) => run.depth)).toEqual([1, 1, 1, 1]);
  // What the run had done before each of them: none is missed, in whichever process it was made.
  expect(calls.map(({ context }) => context.run?.steps)).toEqual([0, 1, 2, 3, 4]);
  expect(calls.at(-1)?.context.run?.spent_micro_usd).toBeGreaterThan(5_000);
  expect(await live.close()).toMatchObject({ differences: [], imbalances: [], owed: 0 });
});
