import { afterAll, beforeAll, beforeEach, describe, expect, test, type TestContext } from "vitest";

import {
  type ProviderSimulator,
  SIMULATED_KEYS,
  startProviderSimulator,
} from "../../adapters/cli/simulator/provider-simulator.ts";
import { show as showCell } from "./client-table.ts";
import { HELLO } from "./clients.ts";
import { type Outcome, Python } from "./python.ts";
import { CAP, RETRY_AFTER_MS, type ScriptedWeir, startScriptedWeir } from "./scripted-weir.ts";

// Goal: what matrix.test.ts shows of the TypeScript SDK, of the Python SDK: each provider's own library, its
// threads' and its asyncio client, on every effect, whole and streamed.

let scripted: ScriptedWeir;
let provider: ProviderSimulator;
let python: Python;

beforeAll(async () => {
  python = new Python();
  scripted = await startScriptedWeir();
  provider = await startProviderSimulator();
}, 300_000);

afterAll(async () => {
  python.close();
  await scripted.close();
  await provider.close();
});

beforeEach(() => {
  provider.reset();
  for (const list of [scripted.intents, scripted.reports, scripted.cancelled]) list.length = 0;
});

const ADRIFT = { flush_s: 0, timeout_s: 0.05, weir: "http://127.0.0.1:1" };
const MODES = [
  ["whole", false],
  ["stream", true],
] as const;

describe.each([
  ["openai", false],
  ["openai", true],
  ["anthropic", false],
  ["anthropic", true],
] as const)("%s, asyncio: %s", (library, asynchronous) => {
  const ask = (stream: boolean, task: string, more: object = {}): Promise<Outcome> =>
    python.perform({
      asynchronous,
      attribution: { cost_center: "cc-100", team: "search", tenant: "acme", user: "u-1" },
      intent: { task },
      kind: "call",
      library,
      model: "big",
      provider: provider.url,
      provider_key: SIMULATED_KEYS[library],
      stream,
      weir: scripted.http,
      ...more,
    });
  const show = (context: TestContext, effect: string, mode: "whole" | "stream"): void => {
    const client = `${library}${asynchronous ? " asyncio" : ""}, http`;
    showCell(context, { client, effect, language: "python", mode });
  };

  test.for(MODES)("allow, %s", async ([mode, stream], context) => {
    show(context, "allow", mode);
    const outcome = await ask(stream, "allow");
    expect(outcome).toMatchObject({ effect: "allow", model: `${library}:big`, text: HELLO });
    expect(outcome).toMatchObject({ settled: { status: "settled" }, usage_only_events: 0 });
    const [served] = provider.served;
    expect(provider.seen).toHaveLength(1);
    const names = Object.keys(provider.seen[0]?.headers ?? {});
    expect(names.filter((name) => name.startsWith("x-weir"))).toEqual([]);
    expect(scripted.intents).toMatchObject([
      {
        attempt: { number: 1 },
        attribution: { team: "search", user: "u-1" },
        run: { id: "outer" },
      },
    ]);
    expect(scripted.intents[0]?.tokens.input).toBeGreaterThan(5);
    const usage = { input: served?.input, output: served?.output };
    expect(scripted.reports).toMatchObject([
      { basis: "provider", final: true, outcome: "ok", usage },
    ]);
  });

  test.for(MODES)("reroute and cap, %s", async ([mode, stream], context) => {
    show(context, "reroute and cap", mode);
    expect(await ask(stream, "reroute")).toMatchObject({ effect: "reroute", text: HELLO });
    expect(await ask(stream, "cap")).toMatchObject({ text: "word word1" });
    expect(provider.served.map(({ model }) => model)).toEqual(["small", "big"]);
    expect(provider.served[1]?.output).toBe(CAP);
    expect(scripted.reports.map(({ outcome }) => outcome)).toEqual(["ok", "truncated"]);
  });

  test.for(MODES)("throttle, %s", async ([mode, stream], context) => {
    show(context, "throttle", mode);
    const startMs = performance.now();
    expect(await ask(stream, "throttle", { retries: 2 })).toMatchObject({ text: HELLO });
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(RETRY_AFTER_MS - 1);
    const [first, second] = scripted.intents;
    expect(second).toMatchObject({ attempt: { number: 2, reason: "throttled" }, id: first?.id });
    expect(provider.seen).toHaveLength(1);
    expect(await ask(stream, "throttle")).toMatchObject({ error: "RateLimitError", status: 429 });
  });

  test.for(MODES)("weir down and open, %s", async ([mode, stream], context) => {
    show(context, "down, open", mode);
    const outcome = await ask(stream, "allow", { ...ADRIFT, fail: "open" });
    expect(outcome).toMatchObject({ effect: "open", text: HELLO, undecided: 1 });
    expect(provider.served).toMatchObject([{ model: "big" }]);
  });

  test.for(MODES)("weir down and closed, %s", async ([mode, stream], context) => {
    show(context, "down, closed", mode);
    const outcome = await ask(stream, "allow", ADRIFT);
    expect(outcome).toMatchObject({ status: 503, undecided: 0 });
    expect(outcome.message).toContain("weir at http://127.0.0.1:1 does not answer: ");
    expect(provider.seen).toEqual([]);
  });

  test.for(MODES)("block, %s", async ([mode, stream], context) => {
    show(context, "block", mode);
    const outcome = await ask(stream, "block", { retries: 3 });
    expect(outcome).toMatchObject({ error: "PermissionDeniedError", status: 403 });
    for (const part of ["search-day", "budget.exhausted", "resets at", "decision d-", "operator"]) {
      expect(outcome.message).toContain(part);
    }
    expect(provider.seen).toEqual([]);
    expect(scripted.intents).toHaveLength(1);
  });
});

test("a host that does not tell its provider is named one", async () => {
  const host = provider.url.replace("http://", "");
  const providers = { [host]: "groq" };
  await python.perform({
    attribution: { tenant: "acme" },
    kind: "call",
    library: "openai",
    model: "big",
    provider: provider.url,
    provider_key: SIMULATED_KEYS.openai,
    providers,
    weir: scripted.http,
  });
  expect(scripted.intents).toMatchObject([{ model: "groq:big", providers: ["groq"] }]);
});

test("reports are sent again until Weir takes them", async () => {
  scripted.overload(2);
  const outcome = await python.perform({
    attribution: { tenant: "acme" },
    kind: "guard",
    model: "openai:big",
    report: true,
    weir: scripted.http,
  });
  expect(outcome).toMatchObject({ flushed: true, lost: 0 });
  expect(scripted.reports).toMatchObject([{ usage: { input: 90, output: 40 } }]);
});
