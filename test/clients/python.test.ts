import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

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
import { providePython } from "../support/peer.ts";
import { type ClientCell, show } from "./client-table.ts";

// Goal: the Python SDK with the providers' own libraries, every effect, whole and as streams, threads and
// tasks. Method: one Python process performs scenarios against a real service and a simulated provider.

const REQUIREMENTS = ["anthropic==2.13.0", "httpx==0.28.1", "openai==3.57.0", "setuptools==80.9.0"];
const SDK = join(import.meta.dirname, "../../adapters/sdk/python");
const PAGE = join(import.meta.dirname, "../../docs/sdk-python.md");
const SEARCH = {
  cost_center: "cc-100",
  environment: "prod",
  feature: "answers",
  service: "search-api",
  team: "search",
  tenant: "acme",
};

interface Scenario {
  readonly kind?: "call" | "async" | "guard";
  readonly library?: "openai" | "anthropic";
  readonly model?: string;
  readonly [name: string]: unknown;
}

interface Outcome {
  readonly decision_id: string;
  readonly effect?: string;
  readonly error?: string;
  readonly message?: string;
  readonly [name: string]: unknown;
}

let live: Live;
let provider: ProviderSimulator;
let python: ChildProcess;
let answers: AsyncIterator<string>;
let folder: string;
let program: string;
let installed: string;

beforeAll(async () => {
  program = providePython(REQUIREMENTS);
  folder = mkdtempSync(join(tmpdir(), "weir-python-"));
  installed = install();
  // A retry among retries is throttled, for a millisecond.
  const storm = { retry_calls_min: 2, retry_ceiling_ms: 1, retry_percent: 40 };
  writeBundle(
    folder,
    changedFiles((config) => Object.assign(config["limits"] ?? {}, storm)),
  );
  live = await openLive({ flags: { bundle: folder }, principals: ["search-service"] });
  provider = await startProviderSimulator();
  python = spawn(program, ["-u", join(import.meta.dirname, "scenarios.py")], {
    env: { ...process.env, PYTHONPATH: installed },
    stdio: ["pipe", "pipe", "inherit"],
  });
  answers = createInterface({ input: python.stdout as NodeJS.ReadableStream })[
    Symbol.asyncIterator
  ]();
}, 300_000);

afterAll(async () => {
  python.stdin?.end();
  await provider.close();
  const check = await live.close();
  rmSync(folder, { recursive: true });
  expect(check).toMatchObject({ differences: [], imbalances: [] });
});

/** The SDK as pip installs it, built in a copy: a build leaves its traces beside the sources. */
function install(): string {
  const [copy, target] = [join(folder, "sdk"), join(folder, "installed")];
  cpSync(SDK, copy, { recursive: true });
  const options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index"];
  execFileSync(program, ["-m", "pip", "install", ...options, "--target", target, copy]);
  return target;
}

async function perform(scenario: Scenario): Promise<Outcome> {
  const { library = "openai" } = scenario;
  const { host, port } = provider.address;
  const whole = {
    attribution: SEARCH,
    intent: { task: "chat" },
    key: live.keyOf("search-service"),
    kind: "call",
    library,
    model: "gpt-5-mini",
    provider: `http://${host}:${port}`,
    provider_key: SIMULATED_KEYS[library],
    weir: `http://127.0.0.1:${live.service.http.port}`,
    ...scenario,
  };
  python.stdin?.write(`${JSON.stringify(whole)}\n`);
  const { value } = (await answers.next()) as { readonly value: string };
  return JSON.parse(value) as Outcome;
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

function decisionOf(id: string): DecisionRecord | undefined {
  return [...lines()].find(
    (line): line is DecisionRecord => line.kind === "decision" && line.id === id,
  );
}

/** What the policy saw of the intent. */
function inputOf({ evaluations }: DecisionRecord): PolicyInput["intent"] {
  const [asked] = evaluations;
  if (asked === undefined) throw new Error("no evaluation");
  return (asked.input as PolicyInput).intent;
}

const MODES = ["whole", "stream"] as const;

describe.each([
  ["openai" as const, "gpt-5-mini"],
  ["anthropic" as const, "claude-haiku-5-5"],
])("%s", (library, model) => {
  const cellOf = (effect: string, mode: ClientCell["mode"]): ClientCell => {
    return { client: `${library}, http`, effect, language: "python", mode };
  };

  test.for(MODES)("is settled with the provider's figures, %s", async (mode, context) => {
    const stream = mode === "stream";
    show(context, cellOf("allow", mode));
    provider.reset();
    const outcome = await perform({ library, model, stream });
    expect(outcome).toMatchObject({ effect: "allow", flushed: true });
    const [served] = provider.served;
    expect(reportOf(outcome.decision_id)).toMatchObject({
      basis: "provider",
      outcome: "ok",
      usage: { input: served?.input, output: served?.output },
    });
    expect(entryOf(outcome.decision_id)?.entry).toBe("settled");
    if (stream) expect(outcome["usage_only_events"]).toBe(0);
    else {
      expect(outcome["text"]).not.toBe("");
      const charged = entryOf(outcome.decision_id)?.cost_pico_usd;
      expect(outcome["settled"]).toMatchObject({ cost_pico_usd: charged, status: "settled" });
    }
  });

  test("a block is the library's own error, and nothing is called", async (context) => {
    show(context, cellOf("block", "whole"));
    provider.reset();
    const outcome = await perform({
      intent: { data: { residency: "moon" }, task: "chat" },
      library,
      model,
      retries: 3,
    });
    expect(outcome).toMatchObject({ error: "PermissionDeniedError", status: 403 });
    expect(outcome.message).toContain("sensitivity.residency");
    expect(outcome.message).toContain(outcome.decision_id);
    expect(provider.seen).toEqual([]);
  });
});

describe("a call", () => {
  test("is rerouted within its provider", async () => {
    provider.reset();
    const outcome = await perform({ intent: { task: "classify" }, model: "gpt-6-luna" });
    expect(outcome.effect).toBe("reroute");
    expect(outcome["model"]).not.toBe("gpt-6-luna");
    expect(provider.served).toMatchObject([{ model: outcome["model"] }]);
  });

  test("is a step of its run, and of the parent of that", async () => {
    const { decision_id } = await perform({ run: "child-1" });
    const decision = decisionOf(decision_id);
    expect(decision?.intent.parent).toBe("outer");
    expect(decision && inputOf(decision).run).toMatchObject({ depth: 1, id: "child-1", step: 1 });
  });

  test("and its retries are attempts of one intent; a throttle is waited for", async () => {
    provider.reset();
    provider.behave({ status: 500 });
    live.clock.advance(600_000);
    const outcome = await perform({ retries: 4 });
    provider.behave({});
    expect(["InternalServerError", "RateLimitError"]).toContain(outcome.error);
    const decisions = [...lines()].filter((line) => line.kind === "decision");
    const { id } = decisionOf(outcome.decision_id)?.intent ?? { id: "" };
    const attempts = decisions.filter(({ intent }) => intent.id === id);
    expect(attempts.map((one) => inputOf(one).attempt.number)).toEqual([1, 2, 3, 4, 5]);
    expect(attempts.map(({ decision }) => decision.effect)).toContain("throttle");
    expect(provider.seen.length).toBeLessThan(5);
  });

  test("that the client leaves is settled by what came", async () => {
    provider.behave({ eventDelayMs: 50, words: 200 });
    const outcome = await perform({ leave_after: 3, stream: true });
    provider.behave({});
    expect(reportOf(outcome.decision_id)).toMatchObject({
      basis: "estimated",
      outcome: "cancelled",
    });
    expect(reportOf(outcome.decision_id)?.usage.output).toBeGreaterThan(0);
  });

  test("that the provider cuts is settled by what came", async () => {
    provider.behave({ cutAfterEvents: 4 });
    const before = [...lines()].filter((line) => line.kind === "report").length;
    await perform({ stream: true });
    provider.behave({});
    const reports = [...lines()].filter((line): line is ReportRecord => line.kind === "report");
    expect(reports.slice(before)).toMatchObject([{ basis: "estimated", outcome: "error" }]);
  });

  test("that finds no provider is given back", async () => {
    const outcome = await perform({ provider: "http://127.0.0.1:1" });
    expect(outcome.error).toBe("APIConnectionError");
    expect((await live.standing()).open).toBe(0);
  });

  test("of asyncio, many at once", async () => {
    const outcome = await perform({ kind: "async", parallel: 8, stream: true });
    expect(outcome["answers"]).toHaveLength(8);
    expect((await live.standing()).open).toBe(0);
    expect(
      await perform({ kind: "async", library: "anthropic", model: "claude-haiku-5-5" }),
    ).toMatchObject({
      answers: [expect.any(String)],
    });
  });
});

test("what docs/sdk-python.md shows runs as it stands", async () => {
  provider.reset();
  const blocks = readFileSync(PAGE, "utf8").matchAll(/^```python\n(.+?)^```/gms);
  const script = Array.from(blocks, ([, code]) => code).join("\n");
  const { host, port } = provider.address;
  const { stdout } = await promisify(execFile)(program, ["-c", script], {
    env: {
      ...process.env,
      ANTHROPIC_API_KEY: SIMULATED_KEYS.anthropic,
      ANTHROPIC_BASE_URL: `http://${host}:${port}`,
      OPENAI_API_KEY: SIMULATED_KEYS.openai,
      OPENAI_BASE_URL: `http://${host}:${port}/v1`,
      PYTHONPATH: installed,
      WEIR_KEY: live.keyOf("search-service"),
      WEIR_URL: `http://127.0.0.1:${live.service.http.port}`,
    },
  });
  const [first, second, told, guarded] = stdout.trimEnd().split("\n");
  expect([first, second]).toEqual([
    expect.stringMatching(/word11$/),
    expect.stringMatching(/word11$/),
  ]);
  expect(told).toMatch(/^allow openai:gpt-5-mini \d+$/);
  expect(guarded).toBe("call openai:gpt-5-mini");
  expect(provider.served).toHaveLength(4);
  expect((await live.standing()).open).toBe(0);
});

describe("without a decision", () => {
  test("a call is not made while Weir is down, unless told so", async () => {
    provider.reset();
    const down = { flush_s: 0, timeout_s: 0.1, weir: "http://127.0.0.1:1" };
    expect(await perform(down)).toMatchObject({ error: "InternalServerError", undecided: 0 });
    expect(provider.seen).toEqual([]);
    expect(await perform({ ...down, fail: "open" })).toMatchObject({ undecided: 1 });
    expect(provider.served).toHaveLength(1);
  });

  test.each([{ fail: "open" }, { fail: "closed" }])(
    "a wrong key lets nothing pass; %j",
    async (mode) => {
      provider.reset();
      const outcome = await perform({ key: "weir_wrong", retries: 2, ...mode });
      expect(outcome).toMatchObject({ error: "PermissionDeniedError", undecided: 0 });
      expect(provider.seen).toEqual([]);
    },
  );
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

  test("is settled by its estimate where nothing is reported", async () => {
    const { decision_id } = await perform(guarded);
    expect(reportOf(decision_id)).toMatchObject({
      basis: "estimated",
      outcome: "ok",
      usage: { input: 100, output: 0 },
    });
  });

  test("is given back where it says so", async () => {
    const { decision_id } = await perform({ ...guarded, cancel: true });
    expect(entryOf(decision_id)?.entry).toBe("released");
  });

  test("raises what was decided", async () => {
    expect(await perform({ ...guarded, intent: { data: { residency: "moon" } } })).toMatchObject({
      error: "Blocked",
    });
  });
});
