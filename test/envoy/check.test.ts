import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { textIn } from "../../adapters/envoy/codec.ts";
import { LIMITS } from "../../engine/limits.ts";
import { accepted, type Live, openLive } from "../e2e/live.ts";
import { type CheckAnswer, type CheckCall, CheckClient, checkRequest } from "../support/check.ts";

// Goal: nothing a client sends through Envoy passes undecided, is taken for identity or reaches a header
// of the answer. Method: a whole service and the CheckRequests that Envoy would send.

let live: Live;
let envoy: CheckClient;

const SEARCH = {
  "x-weir-cost-center": "cc-100",
  "x-weir-environment": "prod",
  "x-weir-feature": "answers",
  "x-weir-service": "search-api",
  "x-weir-task": "chat",
};
const BODY = {
  model: "gpt-5-mini",
  messages: [{ role: "user", content: "hello" }],
  max_completion_tokens: 50,
};

beforeAll(async () => {
  live = await openLive({
    flags: { "envoy-listen": "127.0.0.1:0" },
    principals: ["search-service", "support-service"],
  });
  envoy = new CheckClient(live.service.envoy?.port ?? 0);
});

afterAll(async () => {
  envoy.close();
  expect(live.faults).toEqual([]);
  expect(await live.close()).toMatchObject({ differences: [], imbalances: [] });
});

const bearer = (principal = "search-service") => ({
  authorization: `Bearer ${live.keyOf(principal)}`,
});

/** A call of the search service that is allowed, with changes. */
function search(change: CheckCall = {}): Promise<CheckAnswer> {
  return envoy.check({
    body: BODY,
    ...change,
    headers: { ...bearer(), ...SEARCH, ...change.headers },
  });
}

const told = (answer: CheckAnswer): string => {
  const body = JSON.parse(answer.body) as { readonly error: { readonly message: string } };
  return body.error.message;
};

describe("T1 spoofing", () => {
  test("private headers are overwritten or removed, whatever their case", async () => {
    const answer = await search({
      headers: {
        "X-Weir-Route": "evil",
        "x-weir-decision-id": "d1",
        "x-WEIR-model": "openai:free",
        "x-weir-anything": "1",
      },
    });
    expect(answer).toMatchObject({ code: 0, headers: { "x-weir-route": "openai" } });
    expect(answer.appendActions.every((action) => action === 2)).toBe(true);
    expect(answer.removed).toEqual(
      expect.arrayContaining([
        "authorization",
        "x-weir-anything",
        "x-weir-decision-id",
        "x-weir-model",
      ]),
    );
    // Envoy lets a removal win over a header that is set.
    expect(answer.removed).not.toContain("x-weir-route");
  });

  test("attribution that the principal may not claim is refused", async () => {
    const answer = await search({ headers: { "x-weir-team": "support" } });
    expect(answer).toMatchObject({ code: 7, status: 403 });
    expect(told(answer)).toMatch(/may not claim team support/);
  });

  test("an attribution header given twice is refused", async () => {
    const twice = await search({ headers: { "x-weir-feature": "answers,other" } });
    expect(twice.status).toBe(400);
    expect(told(twice)).toMatch(/x-weir-feature: given twice/);
    const headers = [
      ...Object.entries({ ...bearer(), ...SEARCH }),
      ["x-weir-feature", "b"] as const,
    ];
    const raw = await envoy.check({ body: BODY, rawHeaders: headers });
    expect(raw.status).toBe(400);
  });
});

describe("T2 identity", () => {
  const claims = (sub: string) => ({
    filterMetadata: {
      "envoy.filters.http.jwt_authn": {
        fields: {
          weir_jwt: {
            structValue: {
              fields: { iss: { stringValue: "https://id" }, sub: { stringValue: sub } },
            },
          },
        },
      },
    },
  });

  test("without any proof there is none", async () => {
    const answer = await envoy.check({ body: BODY, headers: SEARCH });
    expect(answer).toMatchObject({ code: 16, status: 401 });
    expect(answer.headers).toMatchObject({ "x-should-retry": "false" });
  });

  test("a JWT that Envoy did not verify is none", async () => {
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const forged = `${part({ alg: "none" })}.${part({ sub: "search-service" })}.`;
    const answer = await envoy.check({
      body: BODY,
      headers: { ...SEARCH, authorization: `Bearer ${forged}` },
    });
    expect(answer.status).toBe(401);
  });

  test("the first source that says anything decides, and a stranger of it is refused", async () => {
    const answer = await search({ principal: "spiffe://acme.example/ns/other" });
    expect(answer.status).toBe(403);
    expect(told(answer)).toMatch(/principal spiffe:\/\/acme\.example\/ns\/other may not act/);
    const jwt = await search({ metadata: claims("alice") });
    expect(told(jwt)).toMatch(/principal jwt:https:\/\/id#alice may not act/);
  });

  test.each([
    "spiffe://acme.example/a%2fb",
    "spiffe://ACME.example/a",
    "spiffe://acme.example/a/../b",
    "spiffe://acme.example",
    "SPIFFE://acme.example/a",
    "a\u0000b",
    "héloïse",
  ])("the certificate name %j is of no accepted form", async (principal) => {
    const answer = await search({ principal });
    expect(answer.status).toBe(401);
  });

  test("another name of a certificate is no key's principal", async () => {
    const answer = await envoy.check({ body: BODY, headers: SEARCH, principal: "search-service" });
    expect(told(answer)).toMatch(/principal cert:search-service may not act/);
  });

  test.each(["x-api-key", "api-key", "x-goog-api-key", "x-weir-key"])(
    "a key in %s is a key",
    async (name) => {
      const headers = { ...SEARCH, [name]: live.keyOf("search-service") };
      const answer = await envoy.check({ body: BODY, headers });
      expect(answer.code).toBe(0);
      expect(answer.removed).toContain(name);
    },
  );

  test("two different keys are none", async () => {
    const answer = await search({ headers: { "x-api-key": live.keyOf("support-service") } });
    expect(answer.status).toBe(401);
  });

  test("a revoked or made-up key is none", async () => {
    const authorization = `Bearer weir_${"0".repeat(12)}_${"0".repeat(64)}`;
    expect((await search({ headers: { authorization } })).status).toBe(401);
  });
});

test("T3 no header of a proxy is identity", async () => {
  const headers = {
    ...SEARCH,
    "x-envoy-downstream-service-cluster": "search-service",
    "x-forwarded-client-cert": "URI=spiffe://acme.example/search",
    "x-forwarded-for": "127.0.0.1",
    "x-request-id": "search-service",
  };
  expect((await envoy.check({ body: BODY, headers })).status).toBe(401);
});

describe("T4 paths", () => {
  test.each([
    "//openai/v1/chat/completions/",
    "/openai/v1/chat/completions%2f",
    "/openai/v1/%63hat/completions",
    "/openai/v1/chat;a=b/completions",
    "/openai//v1/chat/completions",
    "/openai/v1/../chat/completions",
    "/openai/v1/chat/completions#/models",
    "http://other/v1/models",
    "/openai_passthrough/v1/chat/../../x",
    "",
    "*",
    "/openai/v1/chat/completions;x",
  ])("%j is an unknown route and blocked", async (path) => {
    const answer = await search({ path });
    expect(answer).toMatchObject({ metadata: { effect: "block" }, status: 403 });
    expect(told(answer)).toMatch(
      /openai:unknown_route is not in the catalogue.*no call of a model/,
    );
  });

  test("a query changes nothing, and a key of the client's own in it is taken out", async () => {
    const path = "/openai/v1/chat/completions?a=1&key=mine&a=2";
    const answer = await search({ path });
    expect(answer).toMatchObject({
      code: 0,
      headers: { ":path": "/openai/v1/chat/completions?a=1&a=2" },
    });
  });

  test("no route of Envoy's, no provider: blocked, counted and logged", async () => {
    const answer = await search({ path: "/openai_passthrough/v1/other", route: {} });
    expect(answer.metadata).toMatchObject({ effect: "block", tenant: "acme" });
    expect(answer.headers["x-weir-decision-id"]).toMatch(/^d[0-9a-f]{51}$/);
  });

  test("reads are blocked too, unless the configuration lets them pass", async () => {
    const answer = await search({ body: "", method: "GET", path: "/openai/v1/models" });
    expect(answer.status).toBe(403);
  });
});

describe("T5 headers", () => {
  test("the raw form is read like the other", async () => {
    const rawHeaders = Object.entries({ ...bearer(), ...SEARCH });
    expect((await envoy.check({ body: BODY, rawHeaders })).code).toBe(0);
  });

  test.each([
    ["empty", ""],
    ["of 16 KiB", "x".repeat(16_384)],
    ["not ASCII", "equipe-é"],
    ["of replaced bytes", "a!b"],
  ])("a feature that is %s is an answer, not a fault", async (_, value) => {
    const answer = await search({ headers: { "x-weir-feature": value } });
    expect([0, 400, 403]).toContain(answer.status);
  });

  test("bytes that are no UTF-8 are an answer too", async () => {
    const bad: readonly (readonly [string, Uint8Array])[] = [
      ["x-weir-user", Buffer.from([255, 254])],
    ];
    const rawHeaders = [...Object.entries({ ...bearer(), ...SEARCH }), ...bad];
    expect((await envoy.check({ body: BODY, rawHeaders })).code).toBe(0);
  });
});

describe("T6 bodies", () => {
  const text = JSON.stringify(BODY);
  test.each([
    ["empty", ""],
    ["cut", text.slice(0, -5)],
    ["with a byte order mark", `\u{feff}${text}`],
    ["a list", "[1]"],
    ["with two models", text.replace("{", '{"model":"gpt-5-nano",')],
    ["compressed", Buffer.from("1f8b0800000000000003", "hex")],
    [
      "not UTF-8",
      Buffer.concat([Buffer.from('{"model":"'), Buffer.from([255]), Buffer.from('"}')]),
    ],
    ["multipart", "--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x--"],
    ["a depth bomb", `${"[".repeat(200_000)}${"]".repeat(200_000)}`],
    ["without a model", '{"messages":[]}'],
    ["with a model that is a number", '{"model":1e999}'],
  ])("%s is a decision that blocks", async (_, body) => {
    const answer = await search({ body });
    expect(answer).toMatchObject({ metadata: { effect: "block" }, status: 403 });
    expect(told(answer)).toMatch(/openai:(unreadable_body|no_model)/);
  });

  test("the string form is read like the bytes", async () => {
    expect((await search({ textBody: text })).code).toBe(0);
  });

  test("a model that no header could carry is refused or encoded, never copied", async () => {
    const answer = await search({ body: { ...BODY, model: "a\r\nx-weir-route: evil" } });
    expect(answer.status).toBe(400);
    const named = await search({ body: { ...BODY, model: "modèle ☃" } });
    expect(JSON.stringify(named.headers)).not.toContain("☃");
  });
});

describe("T7 sizes", () => {
  test("a body of the largest size is decided on", async () => {
    const content = "x".repeat(LIMITS.proxiedBodyBytes - 300);
    const answer = await search({ body: { ...BODY, messages: [{ content, role: "user" }] } });
    expect([0, 403]).toContain(answer.status);
    expect(answer.metadata["effect"]).toBeDefined();
  });

  test("a larger message is refused before any of it is read, and nothing is charged", async () => {
    const before = await live.standing();
    const body = new Uint8Array(LIMITS.proxiedBodyBytes + 2 * 1024 * 1024).fill(32);
    await expect(search({ body })).rejects.toMatchObject({ code: 8 });
    expect(await live.standing()).toEqual(before);
  });
});

test("T8 a Check that its caller gave up holds nothing", async () => {
  await live.service.weir.idle();
  const { open } = await live.standing();
  const { encoderOf } = await import("../../adapters/envoy/codec.ts");
  const { envoy: api } = await import("../../proto/gen/envoy.js");
  const call = { body: BODY, headers: { ...bearer(), ...SEARCH } };
  const bytes = encoderOf(api.service.auth.v3.CheckRequest)(checkRequest(call));
  await expect(envoy.checkBytes(bytes, 0)).rejects.toMatchObject({ code: 4 });
  // One that is answered comes after whatever is left of it.
  await search();
  await live.service.weir.idle();
  await expect.poll(async () => (await live.standing()).open).toBe(open + 1);
});

describe("T9 refusals", () => {
  test("a throttle says when to come back, in seconds and in milliseconds", async () => {
    const storm = (retry: number) =>
      search({ headers: { "x-stainless-retry-count": String(retry), "x-weir-feature": "storm" } });
    const answers: CheckAnswer[] = [];
    for (let sent = 0; sent < 30; sent += 1) answers.push(await storm(1));
    const throttled = answers.find(({ status }) => status === 429);
    expect(throttled).toMatchObject({
      code: 8,
      headers: { "content-type": "application/json", "retry-after": "1", "retry-after-ms": "1000" },
      metadata: { effect: "throttle" },
    });
    expect(JSON.parse(throttled?.body ?? "")).toMatchObject({
      error: { type: "rate_limit_error" },
    });
    live.clock.advance(120_000);
  });

  test.each([
    ["openai", "/v1/chat/completions", { error: { type: "permission_error" } }],
    ["anthropic", "/v1/messages", { error: { type: "permission_error" }, type: "error" }],
    ["google", "/v1beta/models/g:generateContent", { error: { status: "PERMISSION_DENIED" } }],
  ])("a block is an error of %s's own form", async (provider, path, want) => {
    const answer = await search({
      body: { contents: [], max_tokens: 1, messages: [], model: "nobody-knows" },
      path,
      route: { "weir.provider": provider },
    });
    expect(answer).toMatchObject({ headers: { "x-should-retry": "false" }, status: 403 });
    expect(JSON.parse(answer.body)).toMatchObject(want);
  });
});

test("T10 nothing a client sent splits the answer", async () => {
  const nasty = "a\r\nset-cookie: x=1\u0000é";
  const answer = await search({
    body: { ...BODY, model: nasty },
    headers: { "x-weir-feature": nasty, "x-weir-label-x": nasty },
  });
  const all = { ...answer.headers, ...answer.responseHeaders };
  for (const value of Object.values(all)) expect(value).toMatch(/^[ -~]*$/);
});

test("a decision asked for again is the same one, and holds nothing twice", async () => {
  const first = await search({ id: "18" });
  const before = await live.standing();
  const second = await search({ id: "18" });
  expect(second.metadata["decision_id"]).toBe(first.metadata["decision_id"]);
  expect(await live.standing()).toEqual(before);
  expect(
    accepted(
      await live.cancel(textIn(first.metadata, "decision_id"), live.keyOf("search-service")),
    ),
  ).toEqual({
    released: true,
  });
});
