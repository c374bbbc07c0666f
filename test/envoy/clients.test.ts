import Anthropic, { PermissionDeniedError as AnthropicDenied } from "@anthropic-ai/sdk";
import OpenAI, { PermissionDeniedError as OpenAiDenied } from "openai";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";

import { intentOf } from "../support/engine.ts";
import { type EnvoyStand, openEnvoyStand, SEARCH } from "../support/envoy.ts";

// Goal: the providers' own client libraries work through Envoy with nothing changed but base URL and key:
// answers and streams arrive, a block is an error that is not retried, a throttle is retried in time.

let stand: EnvoyStand;

beforeAll(async () => {
  stand = await openEnvoyStand();
});

beforeEach(() => {
  stand.simulator.behave({});
  stand.simulator.reset();
  stand.clock.advance(600_000);
});

afterAll(async () => {
  expect(stand.faults).toEqual([]);
  expect(await stand.close()).toMatchObject({ differences: [], imbalances: [] });
});

/** Counts what a client library sends, and tells when it is throttled. */
class CountingFetch {
  readonly atMs: number[] = [];
  throttled: (response: Response) => void = () => {};

  readonly fetch = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    this.atMs.push(performance.now());
    const response = await fetch(input, init);
    if (response.status === 429) this.throttled(response);
    return response;
  };
}

function openai(counting = new CountingFetch()): OpenAI {
  return new OpenAI({
    apiKey: stand.keyOf("search-service"),
    baseURL: `${stand.base}/openai/v1`,
    defaultHeaders: SEARCH,
    fetch: counting.fetch,
  });
}

function anthropic(counting = new CountingFetch()): Anthropic {
  return new Anthropic({
    apiKey: stand.keyOf("search-service"),
    baseURL: `${stand.base}/anthropic`,
    defaultHeaders: SEARCH,
    fetch: counting.fetch,
  });
}

const MESSAGES = [{ role: "user" as const, content: "hello" }];
const CHAT = { messages: MESSAGES, model: "gpt-5-mini" };
const MESSAGE = { max_tokens: 50, messages: MESSAGES, model: "claude-haiku-5-5" };

describe("openai", () => {
  test("an answer", async () => {
    const answer = await openai().chat.completions.create(CHAT);
    expect(answer.choices[0]?.message.content).toMatch(/word11$/);
    expect(answer.usage?.completion_tokens).toBe(12);
  });

  test("a stream, without a chunk the client did not ask for", async () => {
    const chunks: OpenAI.ChatCompletionChunk[] = [];
    const stream = await openai().chat.completions.create({ ...CHAT, stream: true });
    for await (const chunk of stream) chunks.push(chunk);
    expect(chunks.map(({ choices }) => choices.length)).not.toContain(0);
    const text = chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join("");
    expect(text).toMatch(/word11$/);
    await expect.poll(() => stand.simulator.served[0]).toMatchObject({ output: 12 });
  });

  test("a block is an error of its own, sent once", async () => {
    const counting = new CountingFetch();
    const blocked = openai(counting).chat.completions.create({ ...CHAT, model: "gpt-9" });
    await expect(blocked).rejects.toThrow(OpenAiDenied);
    await expect(blocked).rejects.toThrow(/blocked by weir: model openai:gpt-9/);
    await expect(blocked).rejects.toMatchObject({ code: "authorization.unknown_model" });
    expect(counting.atMs).toHaveLength(1);
    expect(stand.simulator.seen).toEqual([]);
  });

  test("a throttle is waited out", async () => {
    const counting = new CountingFetch();
    const throttled = await throttleOnce(counting);
    const answer = await openai(counting).chat.completions.create(CHAT);
    expect(answer.choices[0]?.message.content).toMatch(/word/);
    expectWaited(counting, await throttled.toldMs);
  });
});

describe("@anthropic-ai/sdk", () => {
  test("an answer and a stream", async () => {
    const answer = await anthropic().messages.create(MESSAGE);
    expect(answer.usage.output_tokens).toBe(12);
    const final = await anthropic().messages.stream(MESSAGE).finalMessage();
    expect(final.content).toMatchObject([{ text: expect.stringMatching(/word11$/) as string }]);
  });

  test("a block is an error of its own, sent once", async () => {
    const counting = new CountingFetch();
    const blocked = anthropic(counting).messages.create({ ...MESSAGE, model: "claude-9" });
    await expect(blocked).rejects.toThrow(AnthropicDenied);
    await expect(blocked).rejects.toThrow(/blocked by weir: model anthropic:claude-9/);
    expect(counting.atMs).toHaveLength(1);
  });

  test("a throttle is waited out", async () => {
    const counting = new CountingFetch();
    const throttled = await throttleOnce(counting);
    const answer = await anthropic(counting).messages.create(MESSAGE);
    expect(answer.stop_reason).toBe("end_turn");
    expectWaited(counting, await throttled.toldMs);
  });
});

let ids = 0;

/** Makes the team too fast; as soon as a client is told so, the time it was told passes. */
async function throttleOnce(
  counting: CountingFetch,
): Promise<{ readonly toldMs: Promise<number> }> {
  const { weir } = stand.service();
  const decide = (tokens: Readonly<Record<string, number>>) => {
    ids += 1;
    const intent = { model: "openai:gpt-5.5", task: "plan", tokens };
    return weir.decide(intentOf(`burst-${ids}`, intent), { principal: "search-service" });
  };
  for (let sent = 0; sent < 30; sent += 1) await decide({ input: 200_000, outputMax: 100 });
  // Most of the wait passes before the client comes.
  for (let leftMs = Infinity; leftMs > 2_000;) {
    const { effect, retryAfterMs } = await decide({ input: 10 });
    expect(effect).toBe("throttle");
    leftMs = retryAfterMs;
    if (leftMs > 2_000) stand.clock.advance(Math.max(100, leftMs - 1_500));
  }
  const toldMs = new Promise<number>((resolve) => {
    counting.throttled = (response) => {
      stand.clock.advance(600_000);
      resolve(Number(response.headers.get("retry-after-ms")));
    };
  });
  return { toldMs };
}

function expectWaited({ atMs }: CountingFetch, toldMs: number): void {
  expect(toldMs).toBeGreaterThan(0);
  expect(atMs).toHaveLength(2);
  const [first = 0, second = 0] = atMs;
  expect(second - first).toBeGreaterThanOrEqual(toldMs - 10);
}
