import { afterEach, beforeEach, expect, test } from "vitest";
import {
  type ProviderSimulator,
  SIMULATED_KEYS,
  startProviderSimulator,
} from "../../adapters/cli/simulator/provider-simulator.ts";
import { createSdk } from "../../adapters/sdk/client.ts";
import type { CallDecision, CallReport } from "../../adapters/sdk/decision.ts";
import type { Transport } from "../../adapters/sdk/transport.ts";

// Goal: wherever the network cuts a stream in two, the client reads the same bytes and Weir the same usage.
// Method: each provider's stream once, then cut at every byte, and into single bytes, below weir.fetch.

const DECISION: CallDecision = {
  id: "d-1",
  effect: "allow",
  model: "openai:big",
  reasons: [],
  obligations: { headers: {}, maxOutputTokens: 0, strip: [] },
  retryAfterMs: 0,
  estimate: { ceilingMicroUsd: 0, expectedMicroUsd: 0 },
  expiresAtMs: 0,
  decidedAtMs: 0,
  mode: "enforce",
  wouldBe: null,
};
const reports: CallReport[] = [];
const TRANSPORT: Transport = {
  cancel: async () => {},
  close: () => {},
  decide: async () => DECISION,
  report: async (report) => {
    reports.push(report);
    return { chargedNanoUsd: 0n, decisionId: report.decisionId, flags: [], status: "settled" };
  },
};

let provider: ProviderSimulator;
beforeEach(async () => {
  provider = await startProviderSimulator();
  provider.behave({ words: 3 });
});
afterEach(() => provider.close());

const CHAT = { messages: [{ content: "Grüße", role: "user" }], model: "big", stream: true };
const GEMINI = { contents: [{ parts: [{ text: "Grüße" }] }] };

test.each([
  ["openai", "/v1/chat/completions", CHAT],
  ["openai", "/v1/responses", { input: "Grüße", model: "big", stream: true }],
  ["anthropic", "/v1/messages", { ...CHAT, max_tokens: 50 }],
  ["google", "/v1beta/models/big:streamGenerateContent", GEMINI],
  ["bedrock", "/model/big/converse-stream", { messages: [{ content: [{ text: "Grüße" }] }] }],
] as const)("%s%s", async (name, path, body) => {
  const url = provider.url + path;
  const headers = { "content-type": "application/json", "x-api-key": SIMULATED_KEYS[name] };
  const request = { body: JSON.stringify(body), headers, method: "POST" };
  let bytes = new Uint8Array();
  let contentType = "";
  let pieces: readonly Uint8Array[] | null = null;
  const send: typeof fetch = async (input, init) => {
    if (pieces !== null) {
      return new Response(ReadableStream.from(pieces), {
        headers: { "content-type": contentType },
      });
    }
    const response = await fetch(input, init);
    contentType = response.headers.get("content-type") ?? "";
    bytes = new Uint8Array(await response.arrayBuffer());
    return new Response(bytes, { headers: { "content-type": contentType } });
  };
  const weir = createSdk(TRANSPORT, { defaults: { tenant: "acme" }, fetch: send }, () => ({}));
  const through = async (): Promise<{ read: string; report: CallReport | undefined }> => {
    const response = await weir.fetch(url, request);
    const read = Buffer.from(await response.arrayBuffer()).toString("base64");
    await weir.flush();
    return { read, report: reports.pop() };
  };
  const whole = await through();
  expect(whole.report).toMatchObject({ basis: "provider", outcome: "ok", usage: { output: 3 } });
  expect(bytes.length).toBeGreaterThan(300);
  for (let at = 1; at < bytes.length; at += 1) {
    pieces = [bytes.subarray(0, at), bytes.subarray(at)];
    expect(await through(), `cut after ${at} bytes`).toEqual(whole);
  }
  pieces = Array.from(bytes, (byte) => Uint8Array.of(byte));
  expect(await through()).toEqual(whole);
});
