import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { type NodeWeir, openWeir } from "../../adapters/sdk/node.ts";
import {
  type ProviderSimulator,
  SIMULATED_KEYS,
  startProviderSimulator,
} from "../../adapters/cli/simulator/provider-simulator.ts";
import { Child } from "./child.ts";
import { type Bench, type BenchOptions, type Measured, quantile, rowOf } from "./row.ts";

const OVERHEAD_P50_US = 1_000;
const FIRST_TOKEN_MS = 20;

/** What the SDK adds to calls, the service in a process of its own on the same machine. */
export const SDK: readonly Bench[] = [
  {
    name: "sdk_overhead",
    run: (options) => withClient((weir, provider) => overhead(weir, provider, options)),
    target: "p50 ≤ 1 ms",
    what: "what weir.fetch adds to a call over the plain fetch, decision and report included",
  },
  {
    name: "sdk_stream_ttft_ratio",
    run: (options) => withClient((weir, provider) => firstToken(weir, provider, options)),
    target: "",
    what: `time to the first event of a stream that begins after ${FIRST_TOKEN_MS} ms, through weir.fetch`,
  },
];

async function withClient(
  measure: (weir: NodeWeir, provider: ProviderSimulator) => Promise<Measured>,
): Promise<Measured> {
  const folder = mkdtempSync(join(tmpdir(), "weir-bench-"));
  const server = new Child("server.ts", ["weir", folder]);
  const provider = await startProviderSimulator();
  try {
    const port = await server.ask<number>();
    const weir = openWeir({ defaults: SCOPE, server: `127.0.0.1:${port}` });
    const measured = await measure(weir, provider);
    const { blocked, reports, throttled, unavailable } = weir.counts();
    const refused = blocked + throttled + unavailable;
    if (refused + reports.lost > 0) throw new Error(`${refused} refused, ${reports.lost} lost`);
    await weir.close();
    return measured;
  } finally {
    await provider.close();
    await server.close();
    rmSync(folder, { force: true, recursive: true });
  }
}

const SCOPE = {
  costCenter: "cc-100",
  environment: "prod",
  feature: "answers",
  service: "search-api",
  task: "chat",
  team: "search",
  tenant: "acme",
} as const;

const HEADERS = {
  authorization: `Bearer ${SIMULATED_KEYS.openai}`,
  "content-type": "application/json",
};

const TEXT = "Please summarise the following report in three short bullet points. ".repeat(60);

/** A chat of about 4 KiB; each is another one. */
function bodyOf(index: number, stream: boolean): string {
  const messages = [{ content: `${index} ${TEXT}`, role: "user" }];
  return JSON.stringify({ max_tokens: 500, messages, model: "gpt-5-mini", stream });
}

function answered(response: Response): Response {
  if (!response.ok) throw new Error(`the provider answered ${response.status}`);
  return response;
}

async function overhead(
  weir: NodeWeir,
  provider: ProviderSimulator,
  { quick }: BenchOptions,
): Promise<Measured> {
  const one = async (send: typeof fetch, index: number): Promise<number> => {
    const beginMs = performance.now();
    const body = bodyOf(index, false);
    const url = `${provider.url}/v1/chat/completions`;
    await answered(await send(url, { body, headers: HEADERS, method: "POST" })).text();
    provider.reset();
    return (performance.now() - beginMs) * 1_000;
  };
  const added: number[] = [];
  const plain: number[] = [];
  const [warmUp, runs] = quick ? [30, 60] : [500, 3_000];
  const startMs = performance.now();
  for (let index = 0; index < warmUp + runs; index += 1) {
    const without = await one(fetch, index);
    const through = await one(weir.fetch, index);
    if (index < warmUp) continue;
    plain.push(without);
    added.push(through - without);
  }
  const usual = Math.round(quantile(Float64Array.from(plain).toSorted(), 0.5));
  const note = `4 KiB chat, one at a time; the same call by the plain fetch takes ${usual} µs; figures are differences of pairs`;
  const row = rowOf("sdk_overhead", Float64Array.from(added), performance.now() - startMs, note);
  return { met: row.p50_us <= OVERHEAD_P50_US, row };
}

async function firstToken(
  weir: NodeWeir,
  provider: ProviderSimulator,
  { quick }: BenchOptions,
): Promise<Measured> {
  const one = async (send: typeof fetch, index: number): Promise<number> => {
    provider.script({ eventDelayMs: FIRST_TOKEN_MS, words: 3 });
    const beginMs = performance.now();
    const url = `${provider.url}/v1/chat/completions`;
    const request = { body: bodyOf(index, true), headers: HEADERS, method: "POST" };
    const response = answered(await send(url, request));
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    await reader.read();
    const tookUs = (performance.now() - beginMs) * 1_000;
    while (!(await reader.read()).done);
    return tookUs;
  };
  const through: number[] = [];
  const plain: number[] = [];
  const runs = quick ? 5 : 60;
  const startMs = performance.now();
  for (let index = 0; index < runs; index += 1) {
    plain.push(await one(fetch, index));
    through.push(await one(weir.fetch, index));
  }
  const middle = (values: readonly number[]): number =>
    quantile(Float64Array.from(values).toSorted(), 0.5);
  const ratio = Math.round((middle(through) / middle(plain)) * 100) / 100;
  const note = `${ratio} times what it takes by the plain fetch; the decision comes before`;
  const totalMs = performance.now() - startMs;
  const row = rowOf("sdk_stream_ttft_ratio", Float64Array.from(through), totalMs, note);
  return { met: null, row };
}
