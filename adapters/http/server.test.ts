import { request } from "node:http";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Decision } from "../../engine/decision/decision.ts";
import { WeirError } from "../../engine/errors.ts";
import { LIMITS } from "../../engine/limits.ts";
import { decisionOf } from "../../test/support/decision.ts";
import { FakeWeir } from "./fake-weir.ts";
import { type HttpService, type Readiness, startHttpServer } from "./server.ts";

const PATH = "/v1/data/weir/decision";
const JSON_TYPE = { "content-type": "application/json" };
const BODY = { input: { intent: { id: "i1", model: "openai:gpt-5-mini" } } };

let weir: FakeWeir;
let server: HttpService;
let readiness: Readiness;
let faults: WeirError[];
let peers: string[];

beforeEach(async () => {
  weir = new FakeWeir();
  readiness = "ready";
  faults = [];
  peers = [];
  server = await startHttpServer({
    weir: () => weir,
    authenticator: {
      authenticate(key, peer) {
        peers.push(peer);
        if (key === "wrong")
          throw new WeirError("auth.unauthenticated", "the API key is not known");
        return { principal: key ?? "local" };
      },
    },
    host: "127.0.0.1",
    port: 0,
    readiness: () => readiness,
    metrics: () => Promise.resolve({ contentType: "text/plain; version=0.0.4", text: "up 1\n" }),
    onFault: (error) => faults.push(error),
  });
});
afterEach(() => server.drain(100));

const url = (path: string): string => `http://127.0.0.1:${server.port}${path}`;
const post = (
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = JSON_TYPE,
): Promise<Response> => fetch(url(PATH), { method: "POST", body, headers });
const decide = (body: unknown = BODY, headers = {}): Promise<Response> =>
  post(JSON.stringify(body), { ...JSON_TYPE, ...headers });

describe("a decision", () => {
  it("is answered as OPA answers", async () => {
    const response = await decide();
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      decision_id: "d1",
      result: {
        effect: "allow",
        model: "openai:gpt-5-mini",
        estimate: { expected_micro_usd: 950 },
      },
    });
    expect(weir.asked).toMatchObject([{ raw: { id: "i1" }, caller: { principal: "local" } }]);
    expect(peers).toEqual(["127.0.0.1"]);
  });

  it("is 200 for a block too, and says in words why and what helps", async () => {
    const params = { budget: "search-day", resets_in_ms: 60_000 };
    const exhausted = { code: "budget.exhausted", message: "the budget is used up", params };
    const reasons = [{ ...exhausted, rule: "Budget exhausted", severity: "error" as const }];
    weir.answer = () => Promise.resolve(decisionOf({ effect: "block", model: "", reasons }));
    const response = await decide();
    expect(response.status).toBe(200);
    const { decision_id, refusal } = (await response.json()) as Record<string, object>;
    expect(refusal).toEqual({
      budget: "search-day",
      code: "budget.exhausted",
      decision_id,
      message: expect.stringMatching(
        /^blocked by weir: the budget is used up \(rule budget.exhausted/,
      ),
      remedy: "wait for the budget to reset or ask an operator for a grant",
      resets_at: expect.stringMatching(/Z$/),
      retry_after_ms: 0,
      rule: "Budget exhausted",
    });
    weir.answer = () => Promise.resolve(decisionOf());
    expect(await (await decide()).json()).not.toHaveProperty("refusal");
  });

  it("takes the key from either header and refuses a wrong one before the body is read", async () => {
    await decide(BODY, { authorization: "Bearer k1" });
    await decide(BODY, { "x-weir-key": "k2" });
    expect(weir.asked.map(({ caller }) => caller.principal)).toEqual(["k1", "k2"]);
    const wrong = await post("not json", { "x-weir-key": "wrong" });
    expect(wrong.status).toBe(401);
    expect(wrong.headers.get("www-authenticate")).toContain("Bearer");
    expect((await decide(BODY, { authorization: "Basic abc" })).status).toBe(401);
  });

  it("passes errors on with code and fields, and keeps faults inside", async () => {
    const violations = [{ field: "id", description: "missing" }];
    weir.answer = () => Promise.reject(new WeirError("intent.invalid", "no", { violations }));
    const refused = await decide();
    expect(refused.status).toBe(400);
    expect(await refused.json()).toEqual({
      code: "intent.invalid",
      message: "no",
      errors: violations,
    });
    weir.answer = () => Promise.reject(new Error("secret"));
    const failed = await decide();
    expect([failed.status, await failed.text()]).toEqual([
      500,
      expect.not.stringContaining("secret"),
    ]);
    expect(faults).toHaveLength(1);
  });
});

describe("what is no intent", () => {
  it.each([
    ["a wrong path", "GET", "/nope", 404, "http.not_found"],
    ["a wrong method", "GET", PATH, 405, "http.method_not_allowed"],
    ["a method that health does not have", "POST", "/healthz", 405, "http.method_not_allowed"],
    ["a path of OPA's that is not ours", "POST", "/v1/data/other", 404, "http.not_found"],
  ])("%s", async (_, method, path, status, code) => {
    const response = await fetch(url(path), { method });
    expect([response.status, await response.json()]).toMatchObject([status, { code, errors: [] }]);
  });

  it.each([
    ["no type", {}, 415],
    ["a form", { "content-type": "application/x-www-form-urlencoded" }, 415],
    ["another charset", { "content-type": "application/json; charset=latin1" }, 415],
    ["compression", { ...JSON_TYPE, "content-encoding": "gzip" }, 415],
    ["UTF-8 said aloud", { "content-type": 'Application/JSON; charset="UTF-8"' }, 200],
  ])("content type: %s", async (_, headers, status) => {
    const body = new TextEncoder().encode(JSON.stringify(BODY));
    expect((await post(body, headers)).status).toBe(status);
  });

  it.each([
    ["malformed JSON", '{"input": '],
    ["nothing", ""],
    ["a lone surrogate's bytes", new Uint8Array([0x22, 0xed, 0xa0, 0x80, 0x22])],
    ["text that must not be quoted", '{"input": my-secret-prompt}'],
  ])("%s", async (_, body) => {
    const response = await post(body);
    const answer = await response.text();
    expect([response.status, JSON.parse(answer)]).toMatchObject([400, { code: "http.malformed" }]);
    expect(answer).not.toContain("secret");
  });

  it("deep nesting, duplicate keys and __proto__ keys do no harm", async () => {
    const deep = `{"input":{"intent":{"labels":${"[".repeat(100_000)}${"]".repeat(100_000)}}}}`;
    expect((await post(deep)).status).toBe(200);
    expect((await post('{"input":{"intent":{"id":"a","id":"b"}}}')).status).toBe(200);
    expect(weir.asked.at(-1)?.raw.id).toBe("b");
    expect((await post('{"input":{"intent":{"__proto__":{"id":"x"}}}}')).status).toBe(400);
    expect((await post('{"__proto__":{"input":{"intent":{}}}}')).status).toBe(400);
    expect(({} as Record<string, unknown>)["id"]).toBeUndefined();
  });

  it("a body over the limit is refused, with and without its length, and the next request works", async () => {
    const large = JSON.stringify({ ...BODY, pad: "x".repeat(LIMITS.messageBytes) });
    expect((await post(large)).status).toBe(413);
    const stream = new Blob([large]).stream();
    const chunked = await fetch(url(PATH), {
      method: "POST",
      body: stream,
      headers: JSON_TYPE,
      duplex: "half",
    } as RequestInit);
    expect([chunked.status, await chunked.json()]).toMatchObject([
      413,
      { code: "http.body_too_large" },
    ]);
    expect((await decide()).status).toBe(200);
    expect(weir.asked).toHaveLength(1);
  });

  it("a body of the very limit is taken", async () => {
    const rest = JSON.stringify({ input: { intent: { id: "" } } }).length;
    const id = "x".repeat(LIMITS.messageBytes - rest);
    expect((await post(JSON.stringify({ input: { intent: { id } } }))).status).toBe(200);
  });

  it("what is not HTTP gets one JSON error", async () => {
    const socket = connect(server.port, "127.0.0.1");
    socket.end("hello\r\n\r\n");
    expect(await text(socket)).toMatch(/^HTTP\/1.1 400 [^]*"code":"http.malformed"/);
  });
});

describe("health", () => {
  it("is alive, ready or not, and shows metrics without a key", async () => {
    readiness = "starting";
    expect((await fetch(url("/healthz"))).status).toBe(200);
    const ready = await fetch(url("/readyz"));
    expect([ready.status, await ready.json()]).toEqual([503, { status: "starting" }]);
    readiness = "ready";
    expect((await fetch(url("/readyz?verbose"))).status).toBe(200);
    expect((await fetch(url("/readyz"), { method: "HEAD" })).status).toBe(200);
    const metrics = await fetch(url("/metrics"), { headers: { "x-weir-key": "wrong" } });
    expect([metrics.headers.get("content-type"), await metrics.text()]).toEqual([
      "text/plain; version=0.0.4",
      "up 1\n",
    ]);
  });
});

/** An answer that waits until it is told. */
function held(): { give(decision: Decision): void; asked: Promise<void> } {
  const answer = Promise.withResolvers<Decision>();
  const asked = Promise.withResolvers<void>();
  weir.answer = () => {
    asked.resolve();
    return answer.promise;
  };
  return { give: answer.resolve, asked: asked.promise };
}

const until = async (holds: () => boolean): Promise<void> => {
  for (let tries = 0; !holds() && tries < 200; tries++) await sleep(10);
};

describe("clients that leave", () => {
  it("give back what was held for them", async () => {
    const answer = held();
    const gone = request(url(PATH), { method: "POST", headers: JSON_TYPE });
    gone.on("error", () => {});
    gone.end(JSON.stringify(BODY));
    await answer.asked;
    gone.destroy();
    await sleep(50);
    answer.give(decisionOf({ id: "d9" }));
    await until(() => weir.undeliveredIds.length > 0);
    expect(weir.undeliveredIds).toEqual(["d9"]);
  });

  it("ask nothing if they leave in the middle of the body", async () => {
    const gone = request(url(PATH), {
      method: "POST",
      headers: { ...JSON_TYPE, "content-length": 100 },
    });
    gone.on("error", () => {});
    gone.write("{");
    await sleep(50);
    gone.destroy();
    await sleep(50);
    expect(weir.asked).toEqual([]);
  });

  it("who got their answer hold what they were given", async () => {
    await (await decide()).json();
    await sleep(50);
    expect(weir.undeliveredIds).toEqual([]);
  });
});

describe("drain", () => {
  it("answers what is in flight, takes nothing new, and is done at once", async () => {
    const answer = held();
    const inFlight = decide();
    await answer.asked;
    const drained = server.drain(5_000);
    await expect(fetch(url("/healthz"))).rejects.toThrow();
    const startMs = performance.now();
    answer.give(decisionOf());
    expect((await inFlight).status).toBe(200);
    expect(await drained).toBe(true);
    expect(performance.now() - startMs).toBeLessThan(1_000);
  });

  it("cannot hang on an answer that never comes", async () => {
    const answer = held();
    const inFlight = decide().catch(() => "cut off");
    await answer.asked;
    expect(await server.drain(50)).toBe(false);
    expect(await inFlight).toBe("cut off");
  });

  it("cannot hang on a connection that says nothing", async () => {
    const socket = connect(server.port, "127.0.0.1");
    socket.on("error", () => {});
    socket.write("POST /v1/data HTTP/1.1\r\n");
    await sleep(20);
    await server.drain(50);
  });
});

it("says which address is taken", async () => {
  const options = { host: "127.0.0.1", port: server.port } as Parameters<typeof startHttpServer>[0];
  await expect(startHttpServer(options)).rejects.toMatchObject({
    code: "config.invalid",
    message: expect.stringContaining(`cannot listen on 127.0.0.1, port ${server.port}`),
  });
});
