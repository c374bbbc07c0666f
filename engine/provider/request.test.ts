import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { answerRefusal } from "./answer-refusal.ts";
import { FORMAT_NAMES, type FormatName } from "./format.ts";
import { applyPatches } from "./json-edit.ts";
import { patchRequest, type RequestChanges } from "./patch.ts";
import { faultRefusal, refusalOf } from "./refusal.ts";
import { estimateInput, readRequest, type RequestFacts } from "./request.ts";
import { isUnmetered, providerOf, routeOf, withPathModel } from "./route.ts";

function reading(format: FormatName, body: string | Uint8Array, pathModel: string | null = null) {
  return readRequest({ format, pathModel, pathStream: false }, body);
}

function facts(format: FormatName, body: unknown, pathModel: string | null = null): RequestFacts {
  const read = reading(format, JSON.stringify(body), pathModel);
  if (!read.ok) throw new Error(read.reason);
  return read.facts;
}

function changed(format: FormatName, body: string, changes: RequestChanges): string {
  const read = reading(format, body);
  if (!read.ok) throw new Error(read.reason);
  return Buffer.from(applyPatches(read.bytes, patchRequest(read, "/", changes).patches)).toString();
}

const image = { type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } };

describe("readRequest", () => {
  it("reads an OpenAI chat", () => {
    const body = {
      max_completion_tokens: 300,
      messages: [
        { content: "Be brief.", role: "system" },
        { content: [{ text: "héllo", type: "text" }, image, { type: "weird" }], role: "user" },
        { role: "assistant", tool_calls: [{ function: { arguments: "{}", name: "find" } }] },
      ],
      model: "gpt-5-mini",
      n: 2,
      service_tier: "flex",
      stream: true,
      tools: [{ function: { name: "find" }, type: "function" }],
    };
    const tools = Buffer.byteLength(JSON.stringify(body.tools));
    expect(facts("openai.chat", body)).toMatchObject({
      answers: 2,
      flags: ["media", "media_unknown"],
      media: { audio: 0, files: 0, images: 1, unknown: 1 },
      messages: 3,
      model: "gpt-5-mini",
      modelIn: "body",
      operation: "chat",
      outputMax: 300,
      serviceTier: "flex",
      stream: true,
      streamTellsUsage: false,
      text: { bytes: 9 + 6 + '{"type":"weird"}'.length + 2 + 4 + tools },
      tools: 1,
    });
  });

  it("reads the others", () => {
    const ask = { content: "hello", role: "user" };
    expect(
      facts("openai.responses", {
        input: [{ content: [{ text: "hello", type: "input_text" }], role: "user" }],
        instructions: "brief",
        max_output_tokens: 9,
        model: "m",
        previous_response_id: "r",
        tools: [{ type: "web_search" }],
      }),
    ).toMatchObject({ flags: ["hidden_input", "web_search"], messages: 1, outputMax: 9, tools: 1 });
    expect(
      facts("anthropic.messages", {
        max_tokens: 5,
        messages: [ask],
        model: "claude-haiku-4-5",
        system: [{ cache_control: { ttl: "1h", type: "ephemeral" }, text: "brief", type: "text" }],
      }),
    ).toMatchObject({
      cacheWrite: "1h",
      model: "claude-haiku-4-5",
      outputMax: 5,
      text: { bytes: 10 },
    });
    expect(
      facts(
        "google.generate_content",
        {
          contents: [{ parts: [{ text: "hello" }, { inlineData: { mimeType: "audio/wav" } }] }],
          generation_config: { max_output_tokens: 7 },
        },
        "gemini-3.8-flash",
      ),
    ).toMatchObject({
      media: { audio: 1 },
      model: "gemini-3.8-flash",
      modelIn: "path",
      outputMax: 7,
    });
    expect(facts("mistral.chat", { max_tokens: 4, messages: [ask], model: "m" })).toMatchObject({
      outputMax: 4,
      text: { bytes: 5 },
    });
    expect(
      facts(
        "bedrock.converse",
        {
          inferenceConfig: { maxTokens: 6 },
          messages: [{ content: [{ text: "hello" }, { cachePoint: { type: "default" } }] }],
        },
        "anthropic.claude-haiku-4-5",
      ),
    ).toMatchObject({ cacheWrite: "5m", outputMax: 6, text: { bytes: 5 } });
    expect(facts("openai.embeddings", { input: ["ab", [1, 2, 3]], model: "m" })).toMatchObject({
      operation: "embedding",
      text: { bytes: 2 },
      tokens: 3,
    });
    expect(facts("openai.completions", { best_of: 3, prompt: ["ab", "c"] })).toMatchObject({
      answers: 6,
      text: { bytes: 3 },
    });
    expect(facts("openai.images", { model: "gpt-image-1", n: 2, prompt: "cat" }).answers).toBe(2);
    expect(facts("openai.speech", { input: "hi", model: "tts-1" }).operation).toBe("audio");
  });

  it.each([
    ["", "the body is not JSON"],
    ["[]", "the body is not a JSON object"],
    ['{"model":"a","model":"b"}', 'the member "model" is given twice'],
    [String.raw`{"model":"a","mod\u0065l":"b"}`, 'the member "model" is given twice'],
    [Uint8Array.of(0x7b, 0xff, 0x7d), "the body is not UTF-8"],
    ["\ufeff{}", "the body is not JSON"],
  ])("refuses %j", (body, reason) => {
    expect(reading("openai.chat", body)).toEqual({ ok: false, reason });
  });

  it("takes bodies of any depth without failing", () => {
    const deep = "[".repeat(100_000) + "]".repeat(100_000);
    for (const body of [
      `{"tools":${deep}}`,
      `{"messages":[{"content":[{"type":"x","y":${deep}}]}]}`,
    ]) {
      const read = reading("openai.chat", body);
      expect(read.ok || read.reason === "the body is nested too deeply").toBe(true);
    }
  });

  it("never fails on JSON of any shape", () => {
    fc.assert(
      fc.property(fc.constantFrom(...FORMAT_NAMES), fc.jsonValue(), (format, json) => {
        const names = [
          "messages",
          "contents",
          "input",
          "tools",
          "system",
          "content",
          "parts",
          "type",
        ];
        const body = Object.fromEntries(names.map((name) => [name, json]));
        expect(reading(format, JSON.stringify(body)).ok).toBe(true);
        const nested = { contents: [{ parts: [body] }], messages: [{ content: [body], ...body }] };
        expect(reading(format, JSON.stringify(nested)).ok).toBe(true);
      }),
    );
  });
});

describe("estimateInput", () => {
  it("adds what the format and the media add, and keeps the order", () => {
    const plain = facts("openai.chat", { messages: [{ content: "hello there", role: "user" }] });
    expect(estimateInput(plain, "gpt-5-mini")).toEqual({ expected: 9, most: 91, p95: 10 });
    const seen = facts("openai.chat", { messages: [{ content: [image], role: "user" }] });
    expect(estimateInput(seen, "gpt-5-mini").p95).toBeGreaterThan(1_000);
    const given = facts("openai.embeddings", { input: [1, 2, 3] });
    expect(estimateInput(given, "text-embedding-3-small")).toEqual({
      expected: 3,
      most: 3,
      p95: 3,
    });
  });
});

describe("patchRequest", () => {
  it("changes what it is told and no other byte", () => {
    const body = String.raw`{ "seed": 9007199254740993, "model" : "gpt-5", "x":"\u00e9é 1.0e+2", "max_tokens":9000,
      "messages":[{"role":"user","content":"\"model\":\"gpt-5\""}], "i":123456789012345678901234567890 }`;
    expect(changed("openai.chat", body, { model: "gpt-5-mini", outputMax: 100 })).toBe(
      body.replace('"model" : "gpt-5"', '"model" : "gpt-5-mini"').replace("9000", "100"),
    );
    expect(changed("openai.chat", body, { outputMax: 10_000 })).toBe(body);
    expect(changed("openai.chat", body, {})).toBe(body);
  });

  it("puts in what is missing", () => {
    expect(changed("openai.chat", '{"stream":true}', { includeUsage: true, outputMax: 5 })).toBe(
      '{"max_completion_tokens":5,"stream_options":{"include_usage":true},"stream":true}',
    );
    const asked = '{"stream":true,"stream_options":{"include_usage":false,"a":1}}';
    expect(changed("openai.chat", asked, { includeUsage: true })).toBe(
      asked.replace("false", "true"),
    );
    expect(changed("openai.chat", "{}", { includeUsage: true })).toBe("{}");
    expect(changed("google.generate_content", "{}", { outputMax: 5 })).toBe(
      '{"generationConfig":{"maxOutputTokens":5}}',
    );
    expect(
      changed("google.generate_content", '{"generation_config":{"top_k":1}}', { outputMax: 5 }),
    ).toBe('{"generation_config":{"max_output_tokens":5,"top_k":1}}');
    expect(changed("bedrock.converse", '{"inferenceConfig":null}', { outputMax: 5 })).toBe(
      '{"inferenceConfig":{"maxTokens":5}}',
    );
  });

  it("keeps Anthropic's thinking budget below the cap", () => {
    const body = '{"max_tokens":9000,"thinking":{"type":"enabled","budget_tokens":5000}}';
    expect(changed("anthropic.messages", body, { outputMax: 2_000 })).toBe(
      '{"max_tokens":2000,"thinking":{"type":"enabled","budget_tokens":1999}}',
    );
    expect(changed("anthropic.messages", body, { outputMax: 500 })).toBe(
      '{"max_tokens":500,"thinking":{"type":"disabled"}}',
    );
  });

  it("takes features out wherever they stand", () => {
    const strip = ["tools"];
    const cases = [
      ['{"tools":[],"a":1,"tool_choice":"auto"}', '{"a":1}'],
      ['{"a":1, "tools":[1], "tool_choice":"auto" }', '{"a":1 }'],
      ['{"tools":[1]}', "{}"],
      ['{ "tools":[1] , "functions":[] }', "{  }"],
      ['{"a":1,"tools":[1],"b":2}', '{"a":1,"b":2}'],
    ] as const;
    for (const [before, after] of cases) {
      expect(changed("openai.chat", before, { strip })).toBe(after);
    }
    const search = '{"tools":[{"type":"web_search"},{"type":"function","name":"f"}]}';
    expect(changed("openai.responses", search, { strip: ["web_search"] })).toBe(
      '{"tools":[{"type":"function","name":"f"}]}',
    );
  });

  it("tells what it cannot strip, and moves models that stand in the path", () => {
    const read = reading("google.generate_content", "{}", "gemini-3.8-flash");
    if (!read.ok) throw new Error(read.reason);
    const path = "/v1beta/models/gemini-3.8-flash:generateContent";
    const patch = patchRequest(read, path, { model: "gemini-3.5-flash-lite", strip: ["images"] });
    expect(patch).toEqual({
      patches: [],
      path: "/v1beta/models/gemini-3.5-flash-lite:generateContent",
      unknownStrips: ["images"],
    });
  });

  it("gives JSON that differs in nothing else, for any body", () => {
    const anyBody = fc.dictionary(
      fc.oneof(fc.constantFrom("model", "max_tokens", "tools", "stream", "a"), fc.string()),
      fc.jsonValue(),
    );
    fc.assert(
      fc.property(anyBody, fc.integer({ max: 9, min: 1 }), (body, outputMax) => {
        const changes = { model: "other", outputMax, strip: ["tools"] };
        const after = JSON.parse(changed("mistral.chat", JSON.stringify(body), changes)) as object;
        const {
          max_tokens: asked,
          model: _,
          parallel_tool_calls: __,
          tool_choice: ___,
          tools: ____,
          ...rest
        } = body;
        const kept =
          typeof asked === "number" && asked > 0 && asked <= outputMax ? asked : outputMax;
        expect(after).toEqual({
          ...(JSON.parse(JSON.stringify(rest)) as object),
          max_tokens: kept,
          model: "other",
        });
      }),
    );
  });
});

describe("routeOf", () => {
  it.each([
    ["api.openai.com", "/v1/chat/completions", "openai", "openai.chat", null, false],
    ["api.openai.com:443", "/v1/responses", "openai", "openai.responses", null, false],
    ["api.mistral.ai", "/v1/chat/completions", "mistral", "mistral.chat", null, false],
    ["api.groq.com", "/openai/v1/chat/completions", "groq", "openai.chat", null, false],
    [
      "x.openai.azure.com",
      "/openai/deployments/my%20gpt/chat/completions",
      "azure",
      "openai.chat",
      "my gpt",
      false,
    ],
    ["api.anthropic.com", "/v1/messages", "anthropic", "anthropic.messages", null, false],
    [
      "generativelanguage.googleapis.com",
      "/v1beta/models/g:streamGenerateContent",
      "google",
      "google.generate_content",
      "g",
      true,
    ],
    [
      "bedrock-runtime.eu-west-1.amazonaws.com",
      "/model/anthropic.claude%3A0/converse-stream",
      "bedrock",
      "bedrock.converse",
      "anthropic.claude:0",
      true,
    ],
    ["127.0.0.1:9", "/anything/v1/messages", "anthropic", "anthropic.messages", null, false],
  ])("%s%s", (host, path, provider, format, pathModel, pathStream) => {
    expect(routeOf(host, path)).toEqual({ format, pathModel, pathStream, provider });
  });

  it("knows no other", () => {
    for (const path of ["/", "/v1/models", "/v1/messages/count_tokens", "/model/%zz/converse"]) {
      expect(routeOf("api.openai.com", path)).toBeNull();
    }
    expect(providerOf("openai.com.example.org")).toBeNull();
    expect(routeOf("api.openai.com", "/v1/chat/completions", "mine")?.provider).toBe("mine");
  });

  it("tells calls that cost nothing", () => {
    expect(isUnmetered("GET", "/v1/chat/completions")).toBe(true);
    expect(isUnmetered("POST", "/v1/messages/count_tokens")).toBe(true);
    expect(isUnmetered("POST", "/v1beta/models/gemini:countTokens")).toBe(true);
    expect(isUnmetered("POST", "/v1beta/models/gemini:generateContent")).toBe(false);
    expect(isUnmetered("POST", "/v1/images/edits")).toBe(false);
  });

  it("puts another model into the path", () => {
    const paths = [
      "/v1beta/models/a:generateContent",
      "/model/a/converse",
      "/openai/deployments/a/responses",
    ];
    expect(paths.map((path) => withPathModel(path, "b:$1/c"))).toEqual(
      paths.map((path) => path.replace(/\/a(?=[:/])/, "/b%3A%241%2Fc")),
    );
  });
});

describe("refusals", () => {
  const refusal = refusalOf({
    decidedAtMs: Date.UTC(2026, 4, 1),
    effect: "block",
    id: "d-1",
    reasons: [
      {
        code: "budget.exhausted",
        message: "budget search-day has $0.10 left, the call may cost $0.40",
        params: { budget: "search-day", resets_in_ms: 3_600_000 },
        rule: "Budget exhausted",
      },
    ],
    retryAfterMs: 0,
  });

  it("say rule, budget, reset time, what helps and decision", () => {
    expect(refusal.message).toBe(
      "blocked by weir: budget search-day has $0.10 left, the call may cost $0.40 " +
        "(rule budget.exhausted, resets at 2026-05-01T01:00:00.000Z); " +
        "wait for the budget to reset or ask an operator for a grant; decision d-1",
    );
  });

  it.each(FORMAT_NAMES)("have the form of %s", (format) => {
    const answer = answerRefusal(format, refusal);
    expect(answer.status).toBe(403);
    expect(answer.headers).toMatchObject({
      "x-should-retry": "false",
      "x-weir-decision-id": "d-1",
    });
    expect(JSON.parse(answer.body)).toEqual(expect.objectContaining({}));
    expect(answer.body).toContain("search-day");
    expect(answer.body).toContain("resets_at");
  });

  it("of throttles tell the time, those of faults promise none", () => {
    const throttle = { ...refusal, kind: "throttled" as const, retryAfterMs: 1_500 };
    expect(answerRefusal("openai.chat", throttle)).toMatchObject({
      headers: { "retry-after": "2", "retry-after-ms": "1500" },
      status: 429,
    });
    const long = answerRefusal("openai.chat", { ...throttle, retryAfterMs: 61_000 });
    expect(long.headers["x-should-retry"]).toBe("false");
    const fault = answerRefusal(null, faultRefusal("state.unavailable", "weir does not answer"));
    expect(fault.status).toBe(503);
    expect(fault.headers["x-should-retry"]).toBeUndefined();
  });
});

describe("what one request could hide from us", () => {
  it("is refused where Google's two spellings of a member are both given", () => {
    const both = { contents: [], generationConfig: {}, generation_config: { candidateCount: 8 } };
    expect(reading("google.generate_content", JSON.stringify(both), "m")).toMatchObject({
      ok: false,
    });
    const caps = { generationConfig: { maxOutputTokens: 1, max_output_tokens: 60_000 } };
    expect(facts("google.generate_content", caps, "m").outputMax).toBe(60_000);
  });

  it("a tier is put where the format has tiers, and nowhere else", () => {
    const body = '{"model":"m"}';
    expect(changed("openai.chat", body, { serviceTier: "flex" })).toContain(
      '"service_tier":"flex"',
    );
    expect(changed("anthropic.messages", body, { serviceTier: "flex" })).toBe(body);
  });

  it("a refusal names the reason that counted", () => {
    const reason = { message: "m", params: {}, rule: "r" };
    const { code } = refusalOf({
      decidedAtMs: 0,
      effect: "block",
      id: "d",
      reasons: [
        { ...reason, code: "sensitivity.clearance", waiver: "w-1" },
        { ...reason, code: "agent.loop", shadow: true },
        { ...reason, code: "agent.depth" },
      ],
      retryAfterMs: 0,
    });
    expect(code).toBe("agent.depth");
  });
});
