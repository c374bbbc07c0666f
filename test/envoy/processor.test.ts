import { status } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { ClosingFigures } from "../../adapters/envoy/stream-lines.ts";
import { type Live, openLive } from "../e2e/live.ts";
import {
  ProcessingClient,
  type ProcessingStream,
  requestBody,
  requestHeaders,
  responseBody,
  responseHeaders,
} from "../support/processing.ts";

// Goal: T11, whatever order messages come in and wherever a stream is cut, a call is decided once and
// settled once. Method: a whole service, and the messages of external processing without an Envoy.

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

/** A stream whose call nothing of an earlier test is recent for. */
function open(): ProcessingStream {
  live.clock.advance(60_000);
  return client.open();
}

const CHAT = { max_completion_tokens: 50, messages: [], model: "gpt-5-mini" };
const key = (): string => live.keyOf("search-service");
const admit = (stream: ProcessingStream, body: object = CHAT) => stream.admit(key(), body);
const headers = () => requestHeaders(key());

/** The report of a decision, once it is there. */
async function reportOf(decisionId: string) {
  const { readLog } = await import("../../adapters/embedded/segments.ts");
  const { dataLayout } = await import("../../adapters/serve/local-storage.ts");
  const find = () =>
    [...readLog(dataLayout(live.config.data).log)]
      .map(({ line }) => line)
      .filter((line) => line.kind === "report")
      .filter((line) => line.decision_id === decisionId);
  await expect.poll(find, { timeout: 20_000 }).toHaveLength(1);
  return find()[0];
}

const SSE = "text/event-stream";
const FIGURES = 'data: {"choices":[],"usage":{"prompt_tokens":11,"completion_tokens":7}}\n\n';
const DELTA = 'data: {"choices":[{"index":0,"delta":{"content":"hello there"}}]}\n\n';

describe("T11 the messages of a call", () => {
  test("in their order: decided, changed, read, settled", async () => {
    const stream = open();
    const id = await admit(stream, { ...CHAT, stream: true });
    const head = await stream.ask(responseHeaders(SSE));
    expect(head.modeOverride?.responseBodyMode).toBe(1);
    expect(head.responseHeaders?.response?.headerMutation?.removeHeaders).toEqual([
      "content-length",
    ]);
    const delta = await stream.ask(responseBody(DELTA, false));
    expect(delta.responseBody?.response?.bodyMutation).toBeNull();
    const closing = await stream.ask(responseBody(FIGURES, false));
    expect(closing.responseBody?.response?.bodyMutation?.clearBody).toBe(true);
    await stream.ask(responseBody("data: [DONE]\n\n", true));
    expect(await stream.end()).toBe(status.OK);
    expect(await reportOf(id)).toMatchObject({
      basis: "provider",
      outcome: "ok",
      usage: { input: 11, output: 7 },
    });
  });

  test("cut anywhere: what was seen is settled once", async () => {
    const stream = open();
    const id = await admit(stream, { ...CHAT, stream: true });
    await stream.ask(responseHeaders(SSE));
    await stream.ask(responseBody(DELTA, false));
    stream.cancel();
    const report = await reportOf(id);
    expect(report).toMatchObject({ basis: "estimated", outcome: "cancelled" });
    expect(report?.usage.output).toBeGreaterThan(0);
  });

  test("cut before the answer: the input as estimated", async () => {
    const stream = open();
    const id = await admit(stream, {
      ...CHAT,
      messages: [{ role: "user", content: "a question" }],
    });
    stream.cancel();
    const report = await reportOf(id);
    expect(report).toMatchObject({ basis: "estimated", outcome: "cancelled" });
    expect(report?.usage).toMatchObject({ output: 0 });
    expect(report?.usage.input).toBeGreaterThan(0);
  });

  test("the end said twice settles once", async () => {
    const stream = open();
    const id = await admit(stream);
    await stream.ask(responseHeaders("application/json"));
    const answer = '{"usage":{"prompt_tokens":5,"completion_tokens":2}}';
    await stream.ask(responseBody(answer, true));
    await stream.ask(responseBody("", true));
    await stream.end();
    expect(await reportOf(id)).toMatchObject({ usage: { input: 5, output: 2 } });
  });

  test("an error of the provider costs nothing", async () => {
    const stream = open();
    const id = await admit(stream);
    await stream.ask(responseHeaders("application/json", "500"));
    await stream.ask(responseBody('{"error":{"message":"no"}}', true));
    await stream.end();
    expect(await reportOf(id)).toMatchObject({
      basis: "estimated",
      outcome: "error",
      usage: { input: 0 },
    });
  });

  test("trailers are answered", async () => {
    const stream = open();
    await admit(stream);
    expect((await stream.ask({ responseTrailers: {} })).responseTrailers).not.toBeNull();
    await stream.end();
  });

  test.each([
    ["a body before its headers", [requestBody(CHAT)]],
    ["a message that says nothing", [{}]],
    [
      "a body in pieces",
      [headers, { requestBody: { body: Buffer.from("{"), endOfStream: false } }],
    ],
    ["request headers twice", [headers, headers]],
    ["a request body twice", [headers, requestBody(CHAT), requestBody(CHAT)]],
  ] as const)("%s ends the stream", async (_, messages) => {
    const stream = open();
    for (const message of messages) stream.say(typeof message === "function" ? message() : message);
    expect(await stream.ended).toBe(status.INVALID_ARGUMENT);
  });

  test("an answer to a refused call passes as it is", async () => {
    const stream = open();
    await stream.ask(headers());
    const refused = await stream.ask(requestBody({ ...CHAT, model: "gpt-9" }));
    expect(refused.immediateResponse?.status?.code).toBe(403);
    const head = await stream.ask(responseHeaders("application/json", "403"));
    expect(head.modeOverride).toBeNull();
    await stream.end();
  });

  test("two calls at once do not mix", async () => {
    const [one, other] = [open(), open()];
    const oneId = await admit(one);
    const otherId = await admit(other);
    for (const stream of [one, other]) await stream.ask(responseHeaders("application/json"));
    await one.ask(responseBody('{"usage":{"prompt_tokens":1,"completion_tokens":2}}', true));
    await other.ask(responseBody('{"usage":{"prompt_tokens":3,"completion_tokens":4}}', true));
    await Promise.all([one.end(), other.end()]);
    expect(await reportOf(oneId)).toMatchObject({ usage: { input: 1, output: 2 } });
    expect(await reportOf(otherId)).toMatchObject({ usage: { input: 3, output: 4 } });
  });
});

describe("closing figures", () => {
  const whole = `${DELTA}data: {"choices":[],"note":"\\"usage\\":{ is said"}\n\n${FIGURES}data: [DONE]\n\n`;
  const without = whole.replace(FIGURES, "");

  test.each([
    ["LF", whole, without],
    ["CRLF", whole.replaceAll("\n", "\r\n"), without.replaceAll("\n", "\r\n")],
    ["a cut end", whole.slice(0, -1), without.slice(0, -1)],
  ])("are taken out wherever a chunk ends: %s", (_, text, want) => {
    const bytes = Buffer.from(text);
    for (let at = 0; at <= bytes.length; at += 1) {
      const strip = new ClosingFigures();
      const parts = [
        strip.push(bytes.subarray(0, at), false),
        strip.push(bytes.subarray(at), true),
      ];
      expect(Buffer.concat(parts).toString()).toBe(want);
    }
  });

  test("a stream in single bytes", () => {
    const strip = new ClosingFigures();
    const bytes = [...Buffer.from(whole)];
    const out = bytes.map((byte, index) =>
      strip.push(Uint8Array.of(byte), index === bytes.length - 1),
    );
    expect(Buffer.concat(out).toString()).toBe(without);
  });
});
