import { Client, type ClientDuplexStream, credentials, Metadata, status } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { decoderOf, encoderOf, type Malformed } from "../../adapters/envoy/codec.ts";
import { ClosingFigures } from "../../adapters/envoy/stream-lines.ts";
import { type Encodable, envoy as api } from "../../proto/gen/envoy.js";
import { type Live, openLive } from "../e2e/live.ts";
import { SEARCH } from "../support/envoy.ts";

// Goal: T11, whatever order messages come in and wherever a stream is cut, a call is decided once and
// settled once. Method: a whole service, and the messages of external processing without an Envoy.

type Incoming = Encodable<api.service.ext_proc.v3.ProcessingRequest>;
type Answer = api.service.ext_proc.v3.ProcessingResponse;

let live: Live;
let client: Client;
let ids = 0;

beforeAll(async () => {
  live = await openLive({
    flags: { "envoy-listen": "127.0.0.1:0" },
    principals: ["search-service"],
  });
  client = new Client(`127.0.0.1:${live.service.envoy?.port}`, credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
  });
});

afterAll(async () => {
  client.close();
  expect(live.faults).toEqual([]);
  expect(await live.close()).toMatchObject({ differences: [], imbalances: [] });
});

const encode = encoderOf(api.service.ext_proc.v3.ProcessingRequest);
const decode = decoderOf(api.service.ext_proc.v3.ProcessingResponse);
const PATH = `/envoy.service.ext_proc.v3.ExternalProcessor/Process`;

/** One stream; each message waits for its answer. */
class Stream {
  readonly #call: ClientDuplexStream<Incoming, Answer | Malformed>;
  readonly #answers: Answer[] = [];
  readonly ended: Promise<number>;

  constructor() {
    live.clock.advance(60_000);
    const metadata = new Metadata();
    metadata.set("weir.provider", "openai");
    this.#call = client.makeBidiStreamRequest(PATH, encode, decode, metadata, {
      deadline: Date.now() + 60_000,
    });
    this.#call.on("data", (answer: Answer) => void this.#answers.push(answer));
    this.ended = new Promise((resolve) => {
      this.#call.on("error", () => {});
      this.#call.on("status", ({ code }) => resolve(code));
    });
  }

  async ask(message: Incoming): Promise<Answer> {
    const before = this.#answers.length;
    this.#call.write(message);
    await expect.poll(() => this.#answers.length, { interval: 2 }).toBeGreaterThan(before);
    return this.#answers.at(-1) as Answer;
  }

  say(message: Incoming): void {
    this.#call.write(message);
  }

  end(): Promise<number> {
    this.#call.end();
    return this.ended;
  }

  cancel(): void {
    this.#call.cancel();
  }

  /** Sends an allowed request; its decision. */
  async admit(body: object = CHAT): Promise<string> {
    await this.ask(requestHeaders());
    const answer = await this.ask(requestBody(body));
    const weir = answer.dynamicMetadata?.fields["weir"]?.structValue?.fields;
    return weir?.["decision_id"]?.stringValue ?? "";
  }
}

const CHAT = { max_completion_tokens: 50, messages: [], model: "gpt-5-mini" };
const headersOf = (headers: Readonly<Record<string, string>>) => ({
  headers: Object.entries(headers).map(([key, value]) => ({ key, rawValue: Buffer.from(value) })),
});

function requestHeaders(): Incoming {
  ids += 1;
  const headers = {
    ":authority": "gateway",
    ":method": "POST",
    ":path": "/openai/v1/chat/completions",
    authorization: `Bearer ${live.keyOf("search-service")}`,
    "x-request-id": `r${ids}`,
    ...SEARCH,
  };
  return { requestHeaders: { headers: headersOf(headers) } };
}

const requestBody = (body: object): Incoming => ({
  requestBody: { body: Buffer.from(JSON.stringify(body)), endOfStream: true },
});
const responseHeaders = (kind: string, code = "200"): Incoming => ({
  responseHeaders: { headers: headersOf({ ":status": code, "content-type": kind }) },
});
const responseBody = (text: string | Uint8Array, endOfStream: boolean): Incoming => ({
  responseBody: { body: Buffer.from(text), endOfStream },
});

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
    const stream = new Stream();
    const id = await stream.admit({ ...CHAT, stream: true });
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
    const stream = new Stream();
    const id = await stream.admit({ ...CHAT, stream: true });
    await stream.ask(responseHeaders(SSE));
    await stream.ask(responseBody(DELTA, false));
    stream.cancel();
    const report = await reportOf(id);
    expect(report).toMatchObject({ basis: "estimated", outcome: "cancelled" });
    expect(report?.usage.output).toBeGreaterThan(0);
  });

  test("cut before the answer: the input as estimated", async () => {
    const stream = new Stream();
    const id = await stream.admit({ ...CHAT, messages: [{ role: "user", content: "a question" }] });
    stream.cancel();
    const report = await reportOf(id);
    expect(report).toMatchObject({ basis: "estimated", outcome: "cancelled" });
    expect(report?.usage).toMatchObject({ output: 0 });
    expect(report?.usage.input).toBeGreaterThan(0);
  });

  test("the end said twice settles once", async () => {
    const stream = new Stream();
    const id = await stream.admit();
    await stream.ask(responseHeaders("application/json"));
    const answer = '{"usage":{"prompt_tokens":5,"completion_tokens":2}}';
    await stream.ask(responseBody(answer, true));
    await stream.ask(responseBody("", true));
    await stream.end();
    expect(await reportOf(id)).toMatchObject({ usage: { input: 5, output: 2 } });
  });

  test("an error of the provider costs nothing", async () => {
    const stream = new Stream();
    const id = await stream.admit();
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
    const stream = new Stream();
    await stream.admit();
    expect((await stream.ask({ responseTrailers: {} })).responseTrailers).not.toBeNull();
    await stream.end();
  });

  test.each([
    ["a body before its headers", [requestBody(CHAT)]],
    ["a message that says nothing", [{}]],
    [
      "a body in pieces",
      [requestHeaders, { requestBody: { body: Buffer.from("{"), endOfStream: false } }],
    ],
    ["request headers twice", [requestHeaders, requestHeaders]],
    ["a request body twice", [requestHeaders, requestBody(CHAT), requestBody(CHAT)]],
  ] as const)("%s ends the stream", async (_, messages) => {
    const stream = new Stream();
    for (const message of messages) stream.say(typeof message === "function" ? message() : message);
    expect(await stream.ended).toBe(status.INVALID_ARGUMENT);
  });

  test("an answer to a refused call passes as it is", async () => {
    const stream = new Stream();
    await stream.ask(requestHeaders());
    const refused = await stream.ask(requestBody({ ...CHAT, model: "gpt-9" }));
    expect(refused.immediateResponse?.status?.code).toBe(403);
    const head = await stream.ask(responseHeaders("application/json", "403"));
    expect(head.modeOverride).toBeNull();
    await stream.end();
  });

  test("two calls at once do not mix", async () => {
    const [one, other] = [new Stream(), new Stream()];
    const oneId = await one.admit();
    const otherId = await other.admit();
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
