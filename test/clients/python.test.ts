import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";

import {
  type ProviderSimulator,
  SIMULATED_KEYS,
  startProviderSimulator,
} from "../../adapters/cli/simulator/provider-simulator.ts";
import { readLog } from "../../adapters/embedded/segments.ts";
import { writeBundle } from "../../adapters/opa/compile.ts";
import { dataLayout } from "../../adapters/serve/local-storage.ts";
import type { PolicyInput } from "../../engine/policy/input.ts";
import type { DecisionRecord, EntryRecord, ReportRecord } from "../../engine/record/record.ts";
import { type Live, openLive } from "../e2e/live.ts";
import { changedFiles } from "../support/bundle.ts";
import { type Outcome, Python, type Scenario } from "./python.ts";

// Goal: the Python SDK against the whole service with the shipped policy: what is settled however a call ends,
// threads, tasks and processes, runs, guards, outages. Method: one Python process performs scenarios.

const PAGE = join(import.meta.dirname, "../../docs/sdk-python.md");
const SEARCH = {
  cost_center: "cc-100",
  environment: "prod",
  feature: "answers",
  service: "search-api",
  team: "search",
  tenant: "acme",
};

let live: Live;
let provider: ProviderSimulator;
let python: Python;
let folder: string;

beforeAll(async () => {
  python = new Python();
  folder = mkdtempSync(join(tmpdir(), "weir-python-bundle-"));
  // A retry among retries is throttled, for a millisecond.
  const storm = { retry_calls_min: 2, retry_ceiling_ms: 1, retry_percent: 40 };
  writeBundle(
    folder,
    changedFiles((config) => Object.assign(config["limits"] ?? {}, storm)),
  );
  live = await openLive({ flags: { bundle: folder }, principals: ["search-service"] });
  provider = await startProviderSimulator();
}, 300_000);

beforeEach(() => {
  provider.behave({});
  provider.reset();
  live.clock.advance(600_000);
});

afterAll(async () => {
  python.close();
  await provider.close();
  const check = await live.close();
  rmSync(folder, { recursive: true });
  expect(check).toMatchObject({ differences: [], imbalances: [] });
});

const weirUrl = (): string => `http://127.0.0.1:${live.service.http.port}`;

let runs = 0;

/** In a run of its own: an agent that asks the same again and again is stopped. */
function perform(scenario: Partial<Scenario> = {}): Promise<Outcome> {
  runs += 1;
  const { library = "openai" } = scenario as { readonly library?: "openai" | "anthropic" };
  return python.perform({
    attribution: SEARCH,
    intent: { task: "chat" },
    key: live.keyOf("search-service"),
    kind: "call",
    library,
    outer: `run-${runs}`,
    model: library === "openai" ? "gpt-5-mini" : "claude-haiku-5-5",
    provider: provider.url,
    provider_key: SIMULATED_KEYS[library],
    weir: weirUrl(),
    ...scenario,
  });
}

function* lines() {
  for (const { line } of readLog(dataLayout(live.config.data).log)) yield line;
}

function entryOf(id: string): EntryRecord | undefined {
  return [...lines()].findLast(
    (line): line is EntryRecord => line.kind === "entry" && line.decision_id === id,
  );
}

function reportOf(id: string): ReportRecord | undefined {
  return [...lines()].findLast(
    (line): line is ReportRecord => line.kind === "report" && line.decision_id === id,
  );
}

/** The report of the call that came last. */
function lastReport(): ReportRecord | undefined {
  return [...lines()].findLast((line): line is ReportRecord => line.kind === "report");
}

/** What the policy saw of the intent. */
function intentOf(id: string): PolicyInput["intent"] {
  const record = [...lines()].find(
    (line): line is DecisionRecord => line.kind === "decision" && line.id === id,
  );
  return inputOf(record).intent;
}

function inputOf(record: DecisionRecord | undefined): PolicyInput {
  const [asked] = record?.evaluations ?? [];
  if (asked === undefined) throw new Error("no evaluation");
  return asked.input as PolicyInput;
}

describe("a call", () => {
  test("is settled with the provider's figures, and says what it cost", async () => {
    const { decision_id, settled } = await perform();
    const [served] = provider.served;
    const usage = { input: served?.input, output: served?.output };
    expect(reportOf(decision_id)).toMatchObject({ basis: "provider", outcome: "ok", usage });
    const { cost_pico_usd, entry } = entryOf(decision_id) ?? {};
    expect(entry).toBe("settled");
    expect(settled).toMatchObject({ cost_pico_usd, status: "settled" });
  });

  test("is rerouted within its provider", async () => {
    const outcome = await perform({ intent: { task: "classify" }, model: "gpt-6-luna" });
    expect(outcome.effect).toBe("reroute");
    expect(outcome.model).not.toBe("openai:gpt-6-luna");
    expect(provider.served).toMatchObject([{ model: outcome.model?.replace("openai:", "") }]);
  });

  test("is a step of its run, and of the parent of that", async () => {
    const { decision_id } = await perform({ outer: "outer", run: "child-1" });
    expect(intentOf(decision_id).run).toMatchObject({ depth: 1, id: "child-1", step: 1 });
    const records = [...lines()].filter((line) => line.kind === "decision");
    expect(records.find(({ id }) => id === decision_id)?.intent.parent).toBe("outer");
  });

  test("is for whom its own headers say, which go no further", async () => {
    const headers = { "x-weir-feature": "digest", "x-weir-sensitivity": "confidential" };
    const { decision_id } = await perform({ headers });
    expect(intentOf(decision_id)).toMatchObject({
      attribution: { feature: "digest", team: "search" },
      data: { sensitivity: "confidential" },
    });
    const sent = Object.keys(provider.seen[0]?.headers ?? {});
    expect(sent.filter((name) => name.startsWith("x-weir"))).toEqual([]);
  });

  test("and its retries are attempts of one intent; a throttle is waited for", async () => {
    provider.behave({ status: 500 });
    const outcome = await perform({ retries: 3 });
    expect(["InternalServerError", "RateLimitError"]).toContain(outcome.error);
    const decisions = [...lines()].filter((line) => line.kind === "decision");
    const id = decisions.find((one) => one.id === outcome.decision_id)?.intent.id;
    const attempts = decisions.filter(({ intent }) => intent.id === id);
    const tried = attempts.map((one) => inputOf(one).intent.attempt.number);
    expect(tried).toEqual([1, 2, 3, 4]);
    expect(attempts.map(({ decision }) => decision.effect)).toContain("throttle");
    expect(provider.seen.length).toBeLessThan(4);
    expect((await live.standing()).open).toBe(0);
  });

  test("is read though its answer came compressed", async () => {
    provider.behave({ compress: true });
    const { decision_id, text } = await perform();
    expect(text).toMatch(/word11$/);
    expect(reportOf(decision_id)).toMatchObject({ basis: "provider", usage: { output: 12 } });
  });

  test("goes through a proxy, of the options or of the environment, and never past Weir", async () => {
    const elsewhere = { provider: "http://provider.invalid" };
    const address = provider.url;
    const told = await perform({ ...elsewhere, http: { proxy: address } });
    const environment = { HTTP_PROXY: address, http_proxy: address };
    const found = await perform({ ...elsewhere, environment });
    expect([told, found]).toMatchObject([{ effect: "allow" }, { effect: "allow" }]);
    expect(provider.seen.map(({ headers }) => headers["host"])).toEqual([
      "provider.invalid",
      "provider.invalid",
    ]);
  });
});

describe.each(["openai", "anthropic"])("of %s, a stream", (library) => {
  test.each([false, true])("that the client leaves; asyncio: %s", async (asynchronous) => {
    provider.behave({ hangAfterEvents: 5, words: 200 });
    const { decision_id } = await perform({ asynchronous, leave_after: 4, library, stream: true });
    const report = reportOf(decision_id);
    expect(report).toMatchObject({ basis: "estimated", outcome: "cancelled" });
    expect(report?.usage["output"]).toBeGreaterThanOrEqual(3);
    // Anthropic tells the input first.
    if (library === "anthropic") expect(report?.usage["input"]).toBe(provider.served[0]?.input);
    await expect.poll(() => provider.served).toMatchObject([{ aborted: true }]);
  });

  test.each([false, true])("that the provider cuts; asyncio: %s", async (asynchronous) => {
    provider.behave({ cutAfterEvents: 4 });
    const { error } = await perform({ asynchronous, library, stream: true });
    expect(error).toBeDefined();
    expect(lastReport()).toMatchObject({ basis: "estimated", outcome: "error" });
    expect((await live.standing()).open).toBe(0);
  });

  test("whose task is cancelled", async () => {
    provider.behave({ hangAfterEvents: 5, words: 200 });
    const scenario = { asynchronous: true, cancel_after: 4, kind: "cancelled", stream: true };
    expect(await perform({ ...scenario, library })).toMatchObject({ error: "CancelledError" });
    expect(lastReport()).toMatchObject({ basis: "estimated", outcome: "cancelled" });
    expect((await live.standing()).open).toBe(0);
  });
});

describe("without an answer", () => {
  test("a call that found no provider is given back", async () => {
    const { error } = await perform({ provider: "http://127.0.0.1:1" });
    expect(error).toBe("APIConnectionError");
    expect((await live.standing()).open).toBe(0);
    expect(lastReport()?.outcome).not.toBe("error");
  });

  test("a call that was cut is charged its input", async () => {
    provider.behave({ cutAfterEvents: 0 });
    expect(await perform()).toMatchObject({ error: "APIConnectionError" });
    expect(lastReport()).toMatchObject({ basis: "estimated", outcome: "error" });
    expect(lastReport()?.usage["input"]).toBeGreaterThan(0);
  });
});

describe("many at once", () => {
  test.each([
    ["threads", "openai", true],
    ["threads", "anthropic", false],
    ["tasks", "openai", false],
    ["tasks", "anthropic", true],
  ])("%s of %s; stream: %s", async (kind, library, stream) => {
    const asynchronous = kind === "tasks";
    const { results } = await perform({ asynchronous, kind, library, parallel: 8, stream });
    expect(results).toHaveLength(8);
    for (const { decision_id, settled } of results ?? []) {
      expect(settled).toMatchObject({ decision_id, status: "settled" });
    }
    expect(new Set(results?.map(({ decision_id }) => decision_id)).size).toBe(8);
    expect((await live.standing()).open).toBe(0);
  });

  test("processes: one that was forked reports by itself", async () => {
    const { results } = await perform({ kind: "forked" });
    expect(results).toMatchObject([{ effect: "allow" }, { effect: "allow", flushed: true }]);
    for (const { decision_id } of results ?? []) {
      expect(entryOf(decision_id)?.entry).toBe("settled");
    }
  });
});

test("a run goes on in another process, by baggage or by the trace alone", async () => {
  const { results, run } = await perform({ kind: "handed_over" });
  const [carried, traced] = (results ?? []).map(({ decision_id }) => intentOf(decision_id));
  expect(carried).toMatchObject({
    attribution: { user: "u-7" },
    run: { depth: 2, id: run, step: 2 },
  });
  expect(traced).toMatchObject({ run: { depth: 0, id: run, step: 1 } });
});

test("what docs/sdk-python.md shows runs as it stands", async () => {
  const blocks = readFileSync(PAGE, "utf8").matchAll(/^```python\n(.+?)^```/gms);
  const script = Array.from(blocks, ([, code]) => code).join("\n");
  const printed = await python.run(script, {
    ANTHROPIC_API_KEY: SIMULATED_KEYS.anthropic,
    ANTHROPIC_BASE_URL: provider.url,
    OPENAI_API_KEY: SIMULATED_KEYS.openai,
    OPENAI_BASE_URL: `${provider.url}/v1`,
    WEIR_KEY: live.keyOf("search-service"),
    WEIR_URL: weirUrl(),
  });
  expect(printed.trimEnd().split("\n")).toEqual([
    expect.stringMatching(/word11$/),
    expect.stringMatching(/word11$/),
    expect.stringMatching(/^allow openai:gpt-5-mini \d+$/),
    "call openai:gpt-5-mini",
  ]);
  expect(provider.served).toHaveLength(4);
  // What was still to be reported was, as the process ended.
  expect((await live.standing()).open).toBe(0);
});

describe("without a decision", () => {
  test.each(["open", "closed"])("a wrong key lets nothing pass; fail mode %s", async (fail) => {
    const outcome = await perform({ fail, key: "weir_wrong", retries: 2 });
    expect(outcome).toMatchObject({ error: "PermissionDeniedError", undecided: 0 });
    expect(outcome.message).toContain("weir does not decide on this: ");
    expect(provider.seen).toEqual([]);
  });

  test("a call waits for a service that comes back in time", async () => {
    let failing = 3;
    const gate = createServer((request, response) => {
      failing -= 1;
      if (failing >= 0) {
        request.socket.destroy();
        return;
      }
      const init = { body: request, duplex: "half", headers: {} as Record<string, string> };
      for (const name of ["content-type", "x-weir-key"]) {
        init.headers[name] = String(request.headers[name]);
      }
      void fetch(weirUrl() + String(request.url), { ...init, method: "POST" } as RequestInit)
        .then((answer) => answer.text())
        .then((text) => response.end(text));
    });
    await new Promise<void>((resolve) => gate.listen(0, "127.0.0.1", resolve));
    const { port } = gate.address() as AddressInfo;
    const outcome = await perform({ weir: `http://127.0.0.1:${port}` });
    expect(outcome).toMatchObject({ effect: "allow", flushed: true, lost: 0 });
    expect(failing).toBeLessThan(0);
    gate.closeAllConnections();
    await new Promise((resolve) => gate.close(resolve));
  });
});

describe("a guarded call", () => {
  const guarded = { kind: "guard", model: "openai:gpt-5-mini" } as const;

  test("is reported by hand", async () => {
    const { decision_id } = await perform({ ...guarded, report: true });
    expect(reportOf(decision_id)).toMatchObject({
      outcome: "ok",
      usage: { input: 90, output: 40 },
    });
  });

  test.each([
    [{}, "ok"],
    [{ fails: true }, "error"],
  ])("is settled by its estimate where nothing is reported: %j", async (how, outcome) => {
    const { decision_id } = await perform({ ...guarded, ...how });
    const usage = { input: 100, output: 0 };
    expect(reportOf(decision_id)).toMatchObject({ basis: "estimated", outcome, usage });
  });

  test("is given back where it says so", async () => {
    const { decision_id } = await perform({ ...guarded, cancel: true });
    expect(entryOf(decision_id)?.entry).toBe("released");
  });

  test("raises what was decided, in words", async () => {
    const outcome = await perform({ ...guarded, intent: { data: { residency: "moon" } } });
    expect(outcome).toMatchObject({
      error: "Blocked",
      message: expect.stringMatching(
        /^blocked by weir: .* \(rule sensitivity\.residency\); .*; decision /,
      ),
      refusal: { code: "sensitivity.residency", rule: "Region not allowed" },
    });
  });

  test("runs undecided while Weir is down, if told so", async () => {
    const down = { ...guarded, flush_s: 0, timeout_s: 0.05, weir: "http://127.0.0.1:1" };
    expect(await perform(down)).toMatchObject({ error: "Unavailable", undecided: 0 });
    const open = await perform({ ...down, fail: "open", report: true });
    expect(open).toMatchObject({ flushed: true, model: guarded.model, undecided: 1 });
  });

  test("as a decorator: functions and coroutine functions, each in a run of its own", async () => {
    const { deaf, ids } = await perform({ ...guarded, kind: "decorated" });
    const [whole = "", tasks = ""] = ids as readonly string[];
    expect([whole, tasks].map((id) => intentOf(id).run.id)).toEqual(["whole", "tasks"]);
    expect(reportOf(whole)?.usage).toMatchObject({ input: 90, output: 7 });
    expect(reportOf(tasks)?.usage).toMatchObject({ input: 90, output: 8 });
    expect(deaf).toEqual(["called"]);
  });

  test("as a decorator that takes no model is not made where it was rerouted", async () => {
    const classify = {
      intent: { task: "classify" },
      kind: "decorated",
      model: "openai:gpt-6-luna",
    };
    const { deaf } = await perform(classify);
    expect(deaf).toMatch(/^blocked by weir: rerouted to openai:.*, which deaf does not take/);
    expect((await live.standing()).open).toBe(0);
  });
});

test("a stream is read alike wherever its chunks end", async () => {
  const events = [
    { choices: [{ delta: { content: "añ" }, index: 0 }], usage: null },
    { choices: [{ delta: {}, finish_reason: "stop", index: 0 }], usage: null },
    { choices: [], usage: { completion_tokens: 2, prompt_tokens: 9 } },
  ].map((document) => `data: ${JSON.stringify(document)}`);
  for (const end of ["\n\n", "\r\n\r\n"]) {
    const text = [": ping", ...events, "data: [DONE]", ""].join(end);
    const { outcomes } = await python.perform({ kind: "borders", text });
    expect(outcomes).toHaveLength(1);
    const [[passed, raw]] = outcomes as readonly [readonly [string, string, number]];
    expect(passed).toBe([": ping", ...events.slice(0, 2), "data: [DONE]", ""].join(end));
    expect(JSON.parse(raw)).toMatchObject([
      { choices: [{ finish_reason: "stop" }] },
      { usage: { completion_tokens: 2, prompt_tokens: 9 } },
    ]);
  }
});
