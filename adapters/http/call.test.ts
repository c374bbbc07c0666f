import { describe, expect, test } from "vitest";

import { WeirError } from "../../engine/errors.ts";
import { LIMITS } from "../../engine/limits.ts";
import { decisionOf } from "../../test/support/decision.ts";
import { answerCall, callFromBody, intentOfCall, PASSED, type ProviderCall } from "./call.ts";
import { FakeWeir } from "./fake-weir.ts";
import { startHttpServer } from "./server.ts";

const CHAT = {
  messages: [{ content: "how are budgets reserved?", role: "user" }],
  model: "gpt-5",
  stream: true,
};
const URL_OF_CHAT = "https://api.openai.com/v1/chat/completions";
const body = (document: object = CHAT) => JSON.stringify(document);

function read(json: object): ProviderCall {
  const call = callFromBody({ body: body(), url: URL_OF_CHAT, ...json });
  if (call === null) throw new Error("not metered");
  return call;
}

describe("a call of a provider's API", () => {
  test("is an intent of its own attribution", () => {
    const intent = { attribution: { team: "search", tenant: "acme" }, id: "c-1", run: { id: "r" } };
    expect(intentOfCall(read({ intent }))).toMatchObject({
      attribution: { team: "search", tenant: "acme" },
      id: "c-1",
      model: "openai:gpt-5",
      operation: "chat",
      providers: ["openai"],
      run: { id: "r" },
      tokens: { n: 1, outputMax: 0 },
    });
  });

  test("takes its provider from the address, the format, or what it says", () => {
    const model = (json: object) => intentOfCall(read(json)).model;
    expect(model({ url: "https://api.groq.com/openai/v1/chat/completions" })).toBe("groq:gpt-5");
    expect(model({ url: "http://127.0.0.1:9/v1/chat/completions" })).toBe("openai:gpt-5");
    expect(model({ provider: "mistral", url: "http://127.0.0.1:9/chat/completions" })).toBe(
      "mistral:gpt-5",
    );
  });

  test("that marks what to cache may write all of it", () => {
    const content = [
      { cache_control: { type: "ephemeral" }, text: "a ".repeat(500), type: "text" },
    ];
    const messages = [{ content, role: "user" }];
    const marked = body({ max_tokens: 9, messages, model: "claude-haiku-5-5" });
    const { tokens } = intentOfCall(
      read({ body: marked, url: "https://api.anthropic.com/v1/messages" }),
    );
    expect(tokens).toMatchObject({ cacheWrite: (tokens as { input: number }).input });
    expect(intentOfCall(read({})).tokens).toMatchObject({ cacheWrite: 0 });
  });

  test("that uses no model passes", () => {
    expect(callFromBody({ body: "{}", url: "https://api.openai.com/v1/files" })).toBeNull();
  });

  test.each([
    [{ url: "gopher://x" }, "url: missing or not an http(s) address"],
    [{ url: "https://api.openai.com/v1/none" }, 'no call of a model is known at "/v1/none"'],
    [{ provider: "Open AI" }, "provider: not a name"],
    [{ body: 7 }, "body: not a text"],
    [{ body: "{" }, "body: the body is not JSON"],
    [{ body: "{}" }, "body: names no model"],
    [
      { body: '{"model":"gpt-5","background":true}', url: "https://api.openai.com/v1/responses" },
      "body: a call in the background tells nobody what it used",
    ],
    [{ intent: { model: "openai:gpt-5-nano" } }, "intent.model: is told by the call itself"],
    [{ intent: { tenent: "acme" } }, "unknown field"],
    [{ adress: "x" }, "adress: unknown field"],
  ])("%j is refused", (json, message) => {
    expect(() => read(json)).toThrow(WeirError);
    expect(() => read(json)).toThrow(message);
  });
});

describe("what to do with it", () => {
  test("is to send it as it was, with the usage asked for", () => {
    const answer = answerCall(read({}), decisionOf());
    expect(answer).toMatchObject({ answer: null, format: "openai.chat", result: { id: "d1" } });
    expect(answer.request).toMatchObject({ strips_usage: true, url: URL_OF_CHAT });
    expect(JSON.parse(answer.request?.body ?? "")).toEqual({
      ...CHAT,
      stream_options: { include_usage: true },
    });
    const plain = read({ body: body({ ...CHAT, stream: false }) });
    expect(answerCall(plain, decisionOf()).request).toMatchObject({
      body: null,
      strips_usage: false,
    });
  });

  test("is to send it changed, in body or in path, every other byte as it was", () => {
    const text = '{"model" : "gpt-5", "seed":12345678901234567890, "tools":[], "messages":[]}';
    const changed = answerCall(
      read({ body: text }),
      decisionOf({
        effect: "reroute",
        model: "openai:gpt-5-nano",
        obligations: {
          headers: { "x-a": "b" },
          max_output_tokens: 9,
          service_tier: "flex",
          strip: ["tools"],
        },
      }),
    );
    expect(changed.request?.headers).toEqual({ "x-a": "b" });
    const sent = changed.request?.body ?? "";
    expect(sent).toContain('"seed":12345678901234567890');
    expect(JSON.parse(sent)).toMatchObject({
      max_completion_tokens: 9,
      model: "gpt-5-nano",
      service_tier: "flex",
    });
    expect(JSON.parse(sent)).not.toHaveProperty("tools");
    const google = read({
      body: body({ contents: [] }),
      url: "https://generativelanguage.googleapis.com/v1beta/models/gemini-3.8-pro:generateContent?alt=x",
    });
    const rerouted = decisionOf({ effect: "reroute", model: "google:gemini-3.8-flash" });
    expect(answerCall(google, rerouted).request).toMatchObject({
      body: null,
      url: "https://generativelanguage.googleapis.com/v1beta/models/gemini-3.8-flash:generateContent?alt=x",
    });
  });

  test.each([
    ["block" as const, 403, { "x-should-retry": "false" }],
    ["throttle" as const, 429, { "retry-after-ms": "1500" }],
  ])("is to answer a %s in the provider's form", (effect, status, headers) => {
    const decision = decisionOf({
      effect,
      model: "",
      retryAfterMs: effect === "throttle" ? 1_500 : 0,
    });
    const { answer, request } = answerCall(read({}), decision);
    expect(request).toBeNull();
    expect(answer).toMatchObject({ headers, status });
    expect(JSON.parse(answer?.body ?? "")).toHaveProperty("error.message");
  });

  test("an obligation that no request can carry is a fault", () => {
    const decision = decisionOf({ obligations: { strip: ["telepathy"] } });
    expect(() => answerCall(read({}), decision)).toThrow("internal error");
  });
});

describe("POST /v1/calls", () => {
  async function post(json: string): Promise<{ status: number; body: unknown; weir: FakeWeir }> {
    const weir = new FakeWeir();
    weir.answer = () =>
      Promise.resolve(
        decisionOf(json.includes("telepathy") ? { obligations: { strip: ["x"] } } : {}),
      );
    const server = await startHttpServer({
      authenticator: { authenticate: () => ({ principal: "local" }) },
      host: "127.0.0.1",
      metrics: () => Promise.resolve({ contentType: "text/plain", text: "" }),
      port: 0,
      readiness: () => "ready",
      weir: () => weir,
    });
    try {
      const headers = { "content-type": "application/json" };
      const url = `http://127.0.0.1:${server.port}/v1/calls`;
      const response = await fetch(url, { body: json, headers, method: "POST" });
      return { body: await response.json(), status: response.status, weir };
    } finally {
      await server.drain(100);
    }
  }
  const sized = (bytes: number): string => {
    const start = `{"url":"${URL_OF_CHAT}","body":"`;
    return `${start}${"x".repeat(bytes - start.length - 2)}"}`;
  };

  test("answers what to do", async () => {
    const { body: answer, status, weir } = await post(body({ body: body(), url: URL_OF_CHAT }));
    expect(status).toBe(200);
    expect(answer).toMatchObject({
      answer: null,
      format: "openai.chat",
      result: { effect: "allow" },
    });
    expect(weir.asked).toMatchObject([{ raw: { model: "openai:gpt-5" } }]);
  });

  test("lets pass what uses no model", async () => {
    const { body: answer, weir } = await post(
      body({ body: "{}", url: "https://api.openai.com/v1/files" }),
    );
    expect(answer).toEqual(PASSED);
    expect(weir.asked).toEqual([]);
  });

  test("keeps nothing held for an answer it cannot give", async () => {
    const { status, weir } = await post(
      body({ body: body({ ...CHAT, user: "telepathy" }), url: URL_OF_CHAT }),
    );
    expect(status).toBe(500);
    expect(weir.undeliveredIds).toEqual(["d1"]);
  });

  test("takes so many bytes and no more", async () => {
    // At the limit the body is read, and refused for what it says.
    expect(await post(sized(LIMITS.callBytes))).toMatchObject({ status: 400 });
    expect(await post(sized(LIMITS.callBytes + 1))).toMatchObject({
      body: { code: "http.body_too_large" },
      status: 413,
    });
  });
});
