import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import { status } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test } from "vitest";

import { readLog } from "../../adapters/embedded/segments.ts";
import { dataLayout } from "../../adapters/serve/local-storage.ts";
import { type Live, openLive } from "../e2e/live.ts";
import { ProcessingClient, responseBody, responseHeaders } from "../support/processing.ts";

// Goal: T14, very many answers at once are each read for themselves, and an open one costs little memory.
// Method: streams of external processing, all open together, their chunks interleaved and torn.

/** For a real soak: WEIR_SOAK_STREAMS=1000. */
const STREAMS = Number(process.env["WEIR_SOAK_STREAMS"] ?? 128);
/** Both ends of a stream are in this process, and with them gRPC's own buffers and the reservation. */
const HEAP_PER_STREAM_MAX = 128 * 1024;

let live: Live;
let client: ProcessingClient;

beforeAll(async () => {
  live = await openLive({
    flags: { "envoy-listen": "127.0.0.1:0" },
    principals: ["search-service"],
  });
  client = new ProcessingClient(live.service.envoy?.port ?? 0);
});

afterAll(async () => {
  client.close();
  expect(live.faults).toEqual([]);
  expect(await live.close()).toMatchObject({ differences: [], imbalances: [] });
});

function heapBytes(): number {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  return process.memoryUsage().heapUsed;
}

const CHAT = {
  max_completion_tokens: 50,
  messages: [{ role: "user", content: "hello" }],
  model: "gpt-5-mini",
  stream: true,
};
const DELTA = 'data: {"choices":[{"index":0,"delta":{"content":"hello there"}}]}\n\n';
const TEAR = 40;
const figures = (index: number): string =>
  `data: {"choices":[],"usage":{"prompt_tokens":${index + 1},"completion_tokens":${2 * index}}}\n\n`;

test(`T14 ${STREAMS} answers at once`, async () => {
  const calls = Array.from({ length: STREAMS }, () => client.open());
  const ids: string[] = [];
  // One after the other through the gate, so that the burst limits have nothing to say.
  for (const call of calls) {
    live.clock.advance(2_000);
    ids.push(await call.admit(live.keyOf("search-service"), CHAT));
  }
  expect(new Set(ids).size).toBe(STREAMS);
  const all = <Out>(work: (call: (typeof calls)[number], index: number) => Promise<Out>) =>
    Promise.all(calls.map(work));
  await all((call) => call.ask(responseHeaders("text/event-stream")));
  const before = heapBytes();
  for (let round = 0; round < 5; round += 1) {
    await all((call) => call.ask(responseBody(DELTA.slice(0, TEAR), false)));
    await all((call) => call.ask(responseBody(DELTA.slice(TEAR), false)));
  }
  await all((call, index) => call.ask(responseBody(figures(index).slice(0, TEAR), false)));
  expect((heapBytes() - before) / STREAMS).toBeLessThan(HEAP_PER_STREAM_MAX);
  const isCut = (index: number): boolean => index % 4 === 3;
  const codes = await all(async (call, index) => {
    if (isCut(index)) {
      call.cancel();
      return call.ended;
    }
    await call.ask(responseBody(figures(index).slice(TEAR), false));
    await call.ask(responseBody("data: [DONE]\n\n", true));
    return call.end();
  });
  expect(codes).toEqual(calls.map((_, index) => (isCut(index) ? status.CANCELLED : status.OK)));
  await expect.poll(async () => (await live.standing()).open, { timeout: 60_000 }).toBe(0);
  const lines = [...readLog(dataLayout(live.config.data).log)].map(({ line }) => line);
  const reports = new Map(
    lines.flatMap((line) => (line.kind === "report" ? [[line.decision_id, line] as const] : [])),
  );
  expect(reports.size).toBe(STREAMS);
  for (const [index, id] of ids.entries()) {
    const want = isCut(index)
      ? { basis: "estimated", outcome: "cancelled" }
      : { basis: "provider", usage: { input: index + 1, output: 2 * index } };
    expect(reports.get(id)).toMatchObject(want);
  }
}, 180_000);
