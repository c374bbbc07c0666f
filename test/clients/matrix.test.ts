import {
  afterAll,
  beforeAll,
  beforeEach,
  describe,
  expect,
  test,
  type TestContext,
  vi,
} from "vitest";
import type { WeirSdk } from "../../adapters/sdk/client.ts";
import { openWeir as openEdge } from "../../adapters/sdk/edge.ts";
import { openWeir } from "../../adapters/sdk/node.ts";
import { freePort } from "../support/peer.ts";
import {
  type ProviderSimulator,
  startProviderSimulator,
} from "../../adapters/cli/simulator/provider-simulator.ts";
import { show as showCell } from "./client-table.ts";
import { billOf, CLIENTS, HELLO } from "./clients.ts";
import { CAP, RETRY_AFTER_MS, type ScriptedWeir, startScriptedWeir } from "./scripted-weir.ts";

// Every client library on every effect, whole and streamed, over gRPC and over HTTP. The service and the
// provider are real servers; the libraries are the real ones.

let scripted: ScriptedWeir;
let provider: ProviderSimulator;

beforeAll(async () => {
  scripted = await startScriptedWeir();
  provider = await startProviderSimulator();
});
afterAll(async () => {
  await scripted.close();
  await provider.close();
});
beforeEach(async () => {
  for (const weir of opened) await weir.flush();
  provider.reset();
  for (const list of [scripted.intents, scripted.reports, scripted.cancelled]) list.length = 0;
});

const SCOPE = { costCenter: "cc-100", team: "search", tenant: "acme", user: "u-1" };
const options = () => ({
  defaults: SCOPE,
  providers: { [provider.url.replace("http://127.0.0.1", "localhost")]: "mistral" },
});
const MODES = [
  ["whole", false],
  ["stream", true],
] as const;

const PATIENT = { interval: 5, timeout: 30_000 };

const opened: WeirSdk[] = [];
afterAll(async () => {
  for (const weir of opened) expect(await weir.close()).toBe(true);
});

function kept<Sdk extends WeirSdk>(weir: Sdk): Sdk {
  opened.push(weir);
  return weir;
}

describe.each([
  ["grpc", () => kept(openWeir({ ...options(), server: scripted.grpc }))],
  ["http", () => kept(openEdge({ ...options(), server: scripted.http }))],
] as const)("over %s", (transport, open) => {
  let weir: WeirSdk;
  let adrift: WeirSdk;
  beforeAll(async () => {
    weir = open();
    const address = `127.0.0.1:${await freePort()}`;
    const lax = { ...options(), decideTimeoutMs: 40, failMode: "open" } as const;
    const isGrpc = transport === "grpc";
    adrift = kept(openWeir({ ...lax, server: isGrpc ? address : `http://${address}` }));
  });

  describe.each(CLIENTS)("$name", (client) => {
    const { ask, blocked, isBlind = false, name, noRetries = false } = client;
    const show = (context: TestContext, effect: string, mode: "whole" | "stream"): void =>
      showCell(context, { client: `${name}, ${transport}`, effect, language: "typescript", mode });

    test.for(MODES)("allow, %s", async ([mode, stream], context) => {
      show(context, "allow", mode);
      expect(await ask(weir.scoped({ task: "allow" }), provider.url, stream)).toBe(HELLO);
      await settled(weir);
      const [served] = provider.served;
      expect(provider.seen).toHaveLength(1);
      expect(served?.model).toBe("big");
      expect(
        Object.keys(provider.seen[0]?.headers ?? {}).filter((header) =>
          header.startsWith("x-weir"),
        ),
      ).toEqual([]);
      expect(scripted.intents).toMatchObject([
        { attempt: { number: 1 }, attribution: { team: "search", user: "u-1" } },
      ]);
      expect(scripted.intents[0]?.tokens.input).toBeGreaterThan(5);
      expect(scripted.reports).toMatchObject([
        { basis: "provider", final: true, outcome: "ok", usage: billOf(served) },
      ]);
    });

    test.for(MODES)("reroute and cap, %s", async ([mode, stream], context) => {
      if (isBlind) {
        await expectRefused(() => ask(weir.scoped({ task: "reroute" }), provider.url, stream));
        return;
      }
      show(context, "reroute and cap", mode);
      await ask(weir.scoped({ task: "reroute" }), provider.url, stream);
      const text = await ask(weir.scoped({ task: "cap" }), provider.url, stream);
      await settled(weir);
      expect(provider.served.map(({ model }) => model)).toEqual(["small", "big"]);
      expect(text).toBe("word word1");
      expect(provider.served[1]?.output).toBe(CAP);
      expect(scripted.reports.map(({ outcome }) => outcome)).toEqual(["ok", "truncated"]);
    });

    test.for(MODES)("throttle, %s", async ([mode, stream], context) => {
      show(context, "throttle", mode);
      const startMs = performance.now();
      const asking = () => ask(weir.scoped({ task: "throttle" }), provider.url, stream);
      if (noRetries) await expect(asking()).rejects.toThrow("429");
      expect(await asking()).toBe(HELLO);
      if (!noRetries)
        expect(performance.now() - startMs).toBeGreaterThanOrEqual(RETRY_AFTER_MS - 1);
      const [first, second] = scripted.intents;
      expect(second).toMatchObject({ attempt: { number: 2, reason: "throttled" }, id: first?.id });
      expect(provider.seen).toHaveLength(1);
    });

    test.for(MODES)("weir down and open, %s", async ([mode, stream], context) => {
      show(context, "down, open", mode);
      expect(await ask(adrift, provider.url, stream)).toBe(HELLO);
      expect(provider.served).toMatchObject([{ model: "big" }]);
    });

    test.for(MODES)("aborted, %s", async ([mode, stream], context) => {
      show(context, "aborted", mode);
      provider.script({ hangAfterEvents: stream ? 3 : 0 });
      const aborter = new AbortController();
      const asking = ask(weir.scoped({ task: "allow" }), provider.url, stream, aborter.signal);
      await vi.waitUntil(() => provider.seen.length === 1, PATIENT);
      aborter.abort();
      // Some libraries give what they have, others throw.
      await asking.catch(() => {});
      await vi.waitUntil(() => scripted.reports.length === 1, PATIENT);
      expect(scripted.reports).toMatchObject([{ final: true, outcome: "cancelled" }]);
      expect(scripted.reports[0]?.usage.input).toBeGreaterThan(5);
      await vi.waitUntil(() => provider.served.length === 1, PATIENT);
      expect(provider.served).toMatchObject([{ aborted: true }]);
    });

    test.for(MODES)("block, %s", async ([mode, stream], context) => {
      show(context, "block", mode);
      const error = await failure(ask(weir.scoped({ task: "block" }), provider.url, stream));
      expect(nameOf(error)).toBe(blocked);
      for (const part of [
        "search-day",
        "budget.exhausted",
        "resets at",
        "decision d-",
        "operator",
      ]) {
        expect(error.message).toContain(part);
      }
      expect(provider.seen).toEqual([]);
      expect(scripted.intents).toHaveLength(1);
    });
  });
});

/** A client that cannot change its call does not make one that would have to be changed. */
async function expectRefused(asking: () => Promise<string>): Promise<void> {
  const error = await failure(asking());
  expect(error.message).toContain("a callback cannot carry out the decision (openai:small)");
  expect(scripted.cancelled).toHaveLength(1);
  expect(provider.seen).toEqual([]);
}

async function settled(weir: WeirSdk): Promise<void> {
  expect(await weir.flush()).toBe(true);
}

async function failure(call: Promise<unknown>): Promise<Error> {
  try {
    await call;
  } catch (thrown) {
    return thrown as Error;
  }
  throw new Error("the call was let through");
}

/** LangChain and the AI SDK may wrap what a library threw. */
function nameOf(error: Error): string {
  return error.name === "Error" ? error.constructor.name : error.name;
}
