import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

import { afterAll, beforeAll, expect, test } from "vitest";

import { type Live, openLive } from "../e2e/live.ts";
import { providePeer } from "../support/peer.ts";

// Goal: what docs/calls.md shows works as it stands. Method: its commands, run against a real service.

const PAGE = readFileSync(join(import.meta.dirname, "../../docs/calls.md"), "utf8");
const [CALL = "", REPORT = ""] = Array.from(
  PAGE.matchAll(/^```sh\n(.+?)^```/gms),
  ([, command]) => command,
);

let live: Live;

beforeAll(async () => {
  providePeer({ aptPackage: "curl", program: "curl" });
  live = await openLive();
});

afterAll(async () => {
  expect(await live.close()).toMatchObject({ differences: [], imbalances: [] });
});

async function run(command: string): Promise<unknown> {
  const address = `127.0.0.1:${live.service.http.port}`;
  const there = command.replace("localhost:7351", address);
  const { stdout } = await promisify(execFile)("sh", ["-c", there]);
  return JSON.parse(stdout);
}

test("a call is decided, sent as told, and settled with the provider's own figures", async () => {
  const answer = await run(CALL);
  expect(answer).toMatchObject({
    answer: null,
    format: "openai.chat",
    request: { url: "https://api.openai.com/v1/chat/completions" },
    result: { effect: "allow", model: "openai:gpt-5-mini" },
  });
  const { result } = answer as { readonly result: { readonly id: string } };
  const settled = await run(REPORT.replace("DECISION_ID", result.id));
  expect(settled).toMatchObject({ result: { charged_nano_usd: "463500", status: "settled" } });
  expect((await live.standing()).open).toBe(0);
});

test("a call that may not be made is answered in the provider's form", async () => {
  const answer = await run(
    CALL.replace("call-1", "call-2").replace('"task"', '"data": {"residency": "moon"}, "task"'),
  );
  expect(answer).toMatchObject({
    answer: { headers: { "x-should-retry": "false" }, status: 403 },
    request: null,
    result: { effect: "block" },
  });
});
