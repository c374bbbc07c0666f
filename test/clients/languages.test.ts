import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  type ProviderSimulator,
  SIMULATED_KEYS,
  startProviderSimulator,
} from "../../adapters/cli/simulator/provider-simulator.ts";
import { type Live, openLive } from "../e2e/live.ts";
import { freePort, providePeer } from "../support/peer.ts";
import { show } from "./client-table.ts";

// Goal: what docs/languages.md shows works as it stands. Method: its commands, run in a shell against a real
// service and a simulated provider.

const ROOT = join(import.meta.dirname, "../..");
const PAGE = readFileSync(join(ROOT, "docs/languages.md"), "utf8");
const [GO = "", JAVA = "", DECIDE = "", REPORT = ""] = Array.from(
  PAGE.matchAll(/^```sh\n(.+?)^```/gms),
  ([, command]) => command,
);

let live: Live;
let provider: ProviderSimulator;

beforeAll(async () => {
  live = await openLive();
  provider = await startProviderSimulator();
});
beforeEach(() => provider.reset());
afterAll(async () => {
  await provider.close();
  expect(await live.close()).toMatchObject({ differences: [], imbalances: [], owed: 0 });
});

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(command: string, variables: Readonly<Record<string, string>> = {}) {
  const { grpc, http } = live.service;
  const there = command.replace("localhost:7350", `127.0.0.1:${grpc.port}`);
  const env = {
    ...process.env,
    OPENAI_API_KEY: SIMULATED_KEYS.openai,
    OPENAI_BASE_URL: `${provider.url}/v1`,
    WEIR_URL: `http://127.0.0.1:${http.port}`,
    ...variables,
  };
  const ended: Promise<Ended> = promisify(execFile)("sh", ["-c", there], { cwd: ROOT, env }).then(
    ({ stderr, stdout }) => ({ code: 0, stderr, stdout }),
    (failure: Ended) => failure,
  );
  return ended;
}

describe.each([
  { client: "net/http", command: GO, language: "go" },
  { client: "java.net.http", command: JAVA, language: "java" },
])("$language", ({ client, command, language }) => {
  beforeAll(() => {
    if (language === "go") providePeer({ aptPackage: "golang-go", program: "go" });
    else {
      providePeer({ aptPackage: "default-jdk-headless", program: "java" });
      const jar = "/usr/share/java/gson.jar";
      providePeer({ aptPackage: "libgoogle-gson-java", program: jar });
    }
  });
  const asking = (model: string, task: string): string =>
    command.replace("gpt-5-mini chat", `${model} ${task}`);

  test("a call is decided, made and settled with the provider's own figures", async (context) => {
    show(context, { client, effect: "allow", language, mode: "whole" });
    const { stderr, stdout } = await run(command);
    expect(stderr).toBe("");
    const [served] = provider.served;
    // 0.25 USD in, 2 USD out per million tokens.
    const nanoUsd = (served?.input ?? 0) * 250 + (served?.output ?? 0) * 2_000;
    expect(stdout).toBe(
      `allow openai:gpt-5-mini, 200 from the provider\nsettled at ${nanoUsd} nano-USD\n`,
    );
    expect(PAGE).toContain(stdout);
  });

  test("a reroute is sent as it was decided", async (context) => {
    show(context, { client, effect: "reroute", language, mode: "whole" });
    const { stdout } = await run(asking("gpt-6.1-sol", "classify"));
    const { model } = provider.served[0] ?? {};
    expect(model).not.toBe("gpt-6.1-sol");
    expect(stdout).toContain(`reroute openai:${model}, 200 from the provider\nsettled at`);
  });

  test("a block is an error, and reaches no provider", async (context) => {
    show(context, { client, effect: "block", language, mode: "whole" });
    const { code, stderr } = await run(asking("gpt-9", "chat"));
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^block 403 .*blocked by weir: model openai:gpt-9 is not in the catalogue/,
    );
    expect(provider.seen).toEqual([]);
  });

  test("a provider that fails costs nothing, one that is not there holds nothing", async (context) => {
    show(context, { client, effect: "provider fails", language, mode: "whole" });
    provider.script({ status: 500 });
    const { stdout } = await run(command);
    expect(stdout).toBe("allow openai:gpt-5-mini, 500 from the provider\nsettled at 0 nano-USD\n");
    const { code } = await run(command, {
      OPENAI_BASE_URL: `http://127.0.0.1:${await freePort()}/v1`,
    });
    expect(code).toBe(1);
    expect((await live.standing()).open).toBe(0);
  });
});

test("gRPC from a shell: reflection, a decision, a report in the provider's form", async () => {
  const decided = await run(DECIDE);
  const { decision } = JSON.parse(decided.stdout) as { decision: { effect: string; id: string } };
  expect(decision.effect).toBe("EFFECT_ALLOW");
  const reported = await run(REPORT.replace("DECISION_ID", decision.id));
  expect(JSON.parse(reported.stdout)).toMatchObject({
    result: { chargedNanoUsd: "463500", status: "REPORT_STATUS_SETTLED" },
  });
});
