import { request as httpRequest } from "node:http";

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";

import type { Profile } from "../../adapters/cli/envoy/configuration.ts";
import { type EnvoyStand, openEnvoyStand } from "../support/envoy.ts";

// Goal: with a profile that ships, every call through a real Envoy is decided before it leaves and
// settled with the provider's figures. Method: one Envoy for the file, a provider simulator that counts.

let stand: EnvoyStand;

const CHAT = {
  model: "gpt-5-mini",
  messages: [{ role: "user", content: "hello there, how are you?" }],
  max_completion_tokens: 40,
};
const MESSAGES = {
  ...CHAT,
  max_completion_tokens: undefined,
  max_tokens: 40,
  model: "claude-haiku-5-5",
};
const CONTENTS = {
  contents: [{ role: "user", parts: [{ text: "hello there, how are you?" }] }],
  generationConfig: { maxOutputTokens: 40 },
};
/** The team that may call Gemini. */
const ASSISTANTS = {
  "x-weir-cost-center": "cc-300",
  "x-weir-team": "assistants",
  "x-weir-user": "u1",
};

const idOf = (response: Response): string => response.headers.get("x-weir-decision-id") ?? "";

/** Everything of a call must be what the provider says it served. */
async function expectSettledAsServed(response: Response): Promise<string> {
  const text = await response.text();
  const { report } = await stand.settlement(idOf(response));
  const [served] = stand.simulator.served;
  expect(report).toMatchObject({
    basis: "provider",
    flags: [],
    outcome: "ok",
    usage: { input: served?.input, output: served?.output },
  });
  expect(stand.simulator.served).toHaveLength(1);
  return text;
}

/** As for clients that use nothing of OpenAI's chat completions which Mistral refuses. */
function leadToMistral(profile: string): string {
  const providers = "openai,mistral";
  return profile
    .replace('"weir.provider":"openai"', `$&,"weir.providers":"${providers}"`)
    .replace(
      '{"key":"weir.provider","value":"openai"}',
      `$&,{"key":"weir.providers","value":"${providers}"}`,
    );
}

/** Everything that both profiles do. */
export function testProfile(profile: Profile): void {
  beforeAll(async () => {
    stand = await openEnvoyStand({ configure: leadToMistral, profile });
  });

  beforeEach(() => {
    stand.simulator.behave({});
    stand.simulator.reset();
    // Nothing of an earlier test is recent.
    stand.clock.advance(120_000);
  });

  afterAll(async () => {
    expect(stand.faults).toEqual([]);
    expect(await stand.close()).toMatchObject({ differences: [], imbalances: [] });
  });

  describe("allow", () => {
    test("OpenAI chat, whole", async () => {
      const response = await stand.post("/openai/v1/chat/completions", CHAT);
      expect(response.status).toBe(200);
      expect(response.headers.get("x-weir-effect")).toBe("allow");
      expect(await expectSettledAsServed(response)).toMatch(/word11/);
    });

    test("OpenAI chat, streamed: figures are asked for, and taken away again", async () => {
      const response = await stand.post("/openai/v1/chat/completions", { ...CHAT, stream: true });
      const text = await expectSettledAsServed(response);
      expect(stand.simulator.seen[0]?.body).toMatch(/"stream_options":\{"include_usage":true\}/);
      expect(text).toMatch(/data: \[DONE\]\n\n$/);
      expect(text).not.toMatch(/"choices":\[\]/);
    });

    test("OpenAI chat, streamed, figures asked for by the client: they reach it", async () => {
      const body = { ...CHAT, stream: true, stream_options: { include_usage: true } };
      const response = await stand.post("/openai/v1/chat/completions", body);
      expect(await expectSettledAsServed(response)).toMatch(/"choices":\[\],"usage":\{/);
      expect(stand.simulator.seen[0]?.body).toBe(JSON.stringify(body));
    });

    test.each([false, true])("Anthropic messages, streamed %s", async (stream) => {
      const response = await stand.post("/anthropic/v1/messages", { ...MESSAGES, stream });
      expect(response.status).toBe(200);
      await expectSettledAsServed(response);
    });

    test.each(["generateContent", "streamGenerateContent?alt=sse"])(
      "Gemini, %s",
      async (method) => {
        const key = { authorization: "", "x-goog-api-key": stand.keyOf("assistants-service") };
        const path = `/gemini/v1beta/models/gemini-3.1-flash-lite:${method}`;
        const response = await stand.post(path, CONTENTS, { ...ASSISTANTS, ...key });
        expect(response.status).toBe(200);
        await expectSettledAsServed(response);
      },
    );

    test("a stream that announces a length reaches the client whole", async () => {
      stand.simulator.behave({ contentLength: true, words: 20 });
      const body = { ...CHAT, stream: true };
      const response = await stand.post("/openai/v1/chat/completions", body);
      expect(response.headers.get("content-length")).toBeNull();
      const text = await expectSettledAsServed(response);
      expect(text.match(/"content":"[^"]+"/g)).toHaveLength(20);
    });

    test("a client that takes compressed answers gets plain ones, with figures", async () => {
      const response = await stand.post("/openai/v1/chat/completions", CHAT, {
        "accept-encoding": "gzip, br",
      });
      await expectSettledAsServed(response);
      expect(stand.simulator.seen[0]?.headers["accept-encoding"]).toBeUndefined();
    });

    test("an answer that is compressed all the same is estimated", async () => {
      stand.simulator.behave({ compress: true });
      const response = await stand.post("/openai/v1/chat/completions", CHAT);
      await response.text();
      const { report } = await stand.settlement(idOf(response));
      expect(report).toMatchObject({ basis: "estimated", outcome: "ok" });
      expect(report.usage.input).toBeGreaterThan(0);
      expect(report.usage.output).toBeGreaterThan(0);
    });
  });

  describe("reroute", () => {
    const OVERKILL = { "x-weir-task": "classify" };

    test("the model of the body is replaced and every other byte stays", async () => {
      const body =
        '{ "seed":9223372036854775807, "model" : "gpt-6.1-sol","f":1.0,"big":123456789012345678901234567890,\n' +
        ' "messages":[{"role":"user","content":"caf\\u00e9 é \u{1f600}"}],"max_completion_tokens":20, "user":"x" }';
      const response = await stand.post("/openai/v1/chat/completions", body, OVERKILL);
      expect(response.headers.get("x-weir-effect")).toBe("reroute");
      await expectSettledAsServed(response);
      expect(stand.simulator.seen[0]?.body).toBe(body.replace("gpt-6.1-sol", "gpt-6-luna"));
    });

    test("to another provider that speaks the same: its host, its key, its path", async () => {
      const restricted = { "x-weir-sensitivity": "restricted", "x-weir-task": "chat" };
      const response = await stand.post("/openai/v1/chat/completions", CHAT, restricted);
      expect(response.headers.get("x-weir-model")).toMatch(/^mistral:/);
      await expectSettledAsServed(response);
      const [seen] = stand.simulator.seen;
      expect(seen).toMatchObject({
        headers: { authorization: "Bearer sim-mistral-key", host: "api.mistral.ai" },
        path: "/v1/chat/completions",
      });
      expect(stand.simulator.served[0]?.provider).toBe("mistral");
    });

    test("a model that stands in the path", async () => {
      const path = "/gemini/v1beta/models/gemini-4-argon:generateContent?key=mine";
      const key = { authorization: "", "x-goog-api-key": stand.keyOf("assistants-service") };
      const response = await stand.post(path, CONTENTS, { ...ASSISTANTS, ...key, ...OVERKILL });
      expect(response.headers.get("x-weir-effect")).toBe("reroute");
      const model = (response.headers.get("x-weir-model") ?? "").replace("google:", "");
      await expectSettledAsServed(response);
      expect(stand.simulator.seen[0]?.path).toBe(`/v1beta/models/${model}:generateContent`);
      expect(stand.simulator.served[0]?.model).toBe(model);
    });
  });

  describe("obligations", () => {
    test("a cap on the output is written into the body", async () => {
      const dev = { "x-weir-environment": "dev" };
      const body = { messages: CHAT.messages, model: CHAT.model };
      const response = await stand.post("/openai/v1/chat/completions", body, dev);
      await expectSettledAsServed(response);
      const seen = JSON.parse(stand.simulator.seen[0]?.body ?? "") as Record<string, unknown>;
      expect(seen).toEqual({ ...body, max_completion_tokens: 1_024 });
    });
  });

  describe("refusals", () => {
    test("a block reaches no provider and costs nothing", async () => {
      const response = await stand.post("/openai/v1/chat/completions", { ...CHAT, model: "gpt-9" });
      expect(response.status).toBe(403);
      expect(response.headers.get("x-should-retry")).toBe("false");
      expect(await response.json()).toMatchObject({
        error: { code: "authorization.unknown_model", type: "permission_error" },
      });
      expect(stand.simulator.seen).toEqual([]);
    });

    test("without Weir's route header there is no way to a provider, with it from a client neither", async () => {
      const response = await stand.post("/openai/v1/models", "{}", { "x-weir-route": "openai" });
      expect(response.status).toBe(403);
      const other = await stand.post("/other", "{}", { "X-WEIR-ROUTE": "openai" });
      expect(other.status).toBe(403);
      expect(stand.simulator.seen).toEqual([]);
    });

    test("a call that goes to the provider by itself cannot authenticate", async () => {
      const { host, port } = stand.simulator.address;
      const direct = await fetch(`http://${host}:${port}/v1/chat/completions`, {
        body: JSON.stringify(CHAT),
        headers: { authorization: `Bearer ${stand.keyOf("search-service")}` },
        method: "POST",
      });
      expect(direct.status).toBe(401);
    });

    test("the client's own provider key and our headers reach no provider", async () => {
      const own = { "x-api-key": "sk-own", "x-weir-label-note": "secret" };
      const response = await stand.post("/openai/v1/chat/completions?key=own", CHAT, own);
      await expectSettledAsServed(response);
      const [seen] = stand.simulator.seen;
      expect(JSON.stringify(seen?.headers)).not.toMatch(/sk-own|x-weir|x-envoy|weir_/);
      expect(seen?.path).toBe("/v1/chat/completions");
    });
  });

  describe("what goes wrong on the way", () => {
    test("an error of the provider costs nothing, and says so", async () => {
      stand.simulator.behave({ status: 500 });
      const response = await stand.post("/openai/v1/chat/completions", CHAT);
      expect(response.status).toBe(500);
      const { entry, report } = await stand.settlement(idOf(response));
      expect(report).toMatchObject({ basis: "estimated", outcome: "error", usage: { input: 0 } });
      expect(entry.cost_pico_usd).toBe("0");
    });

    test("a stream that the provider cuts is estimated from what was seen", async () => {
      const arrived = Promise.withResolvers<void>();
      const pause = { afterEvents: 6, until: arrived.promise };
      stand.simulator.behave({ cutAfterEvents: 6, pause, words: 20 });
      // External processing sees that nothing more comes, not who left.
      const outcome = profile === "default" ? "error" : "cancelled";
      const body = { ...CHAT, stream: true };
      const response = await stand.post("/openai/v1/chat/completions", body);
      const text = await readUntil(response, /word3/, arrived.resolve);
      expect(text).not.toMatch(/word1\d/);
      const { report } = await stand.settlement(idOf(response));
      expect(report).toMatchObject({ basis: "estimated", outcome });
      expect(report.usage.input).toBeGreaterThan(0);
      expect(report.usage.output).toBeGreaterThan(0);
    });

    test("a client that leaves in the middle is charged for what it saw", async () => {
      stand.simulator.behave({ eventDelayMs: 200, words: 40 });
      const { id, bytes } = await leaveAfterFirstBytes({ ...MESSAGES, stream: true });
      expect(bytes).toBeGreaterThan(0);
      const { report } = await stand.settlement(id);
      expect(report.outcome).toBe("cancelled");
      // Anthropic tells the input first.
      expect(report.usage.input).toBeGreaterThan(0);
      expect(report.basis).toBe("estimated");
      await expect.poll(() => stand.simulator.served.length).toBe(1);
      expect(stand.simulator.served[0]).toMatchObject({ aborted: true });
    });
  });
}

/** Reads an answer that will be cut, and says when this much of it is there. */
async function readUntil(response: Response, mark: RegExp, found: () => void): Promise<string> {
  let text = "";
  try {
    for await (const chunk of response.body ?? []) {
      text += Buffer.from(chunk).toString();
      if (mark.test(text)) found();
    }
  } catch {
    // It was cut.
  }
  return text;
}

/** Reads the start of an answer and closes the connection. */
function leaveAfterFirstBytes(
  body: object,
): Promise<{ readonly id: string; readonly bytes: number }> {
  const text = JSON.stringify(body);
  const url = `${stand.base}/anthropic/v1/messages`;
  const headers = {
    "content-type": "application/json",
    "x-api-key": stand.keyOf("search-service"),
    "x-weir-cost-center": "cc-100",
    "x-weir-environment": "prod",
    "x-weir-feature": "answers",
    "x-weir-service": "search-api",
  };
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, { headers, method: "POST" }, (response) => {
      response.once("data", (chunk: Buffer) => {
        resolve({ bytes: chunk.length, id: String(response.headers["x-weir-decision-id"]) });
        request.destroy();
      });
    });
    request.on("error", reject);
    request.end(text);
  });
}
