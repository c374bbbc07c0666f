import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { WeirSdk } from "../../adapters/sdk/client.ts";
import { callOf, type NodeOptions, openWeir, WeirBlockedError } from "../../adapters/sdk/node.ts";
import { freePort } from "../support/peer.ts";
import {
  type ProviderSimulator,
  SIMULATED_KEYS,
  startProviderSimulator,
} from "../../adapters/cli/simulator/provider-simulator.ts";
import { billOf } from "./clients.ts";
import { type ScriptedWeir, startScriptedWeir } from "./scripted-weir.ts";

let scripted: ScriptedWeir;
let provider: ProviderSimulator;

beforeAll(async () => {
  scripted = await startScriptedWeir();
  provider = await startProviderSimulator();
});
afterAll(async () => {
  await scripted.close();
  await provider.close();
});
beforeEach(() => {
  provider.reset();
  for (const list of [scripted.intents, scripted.reports, scripted.cancelled]) {
    list.length = 0;
  }
});

const opened: WeirSdk[] = [];
afterEach(async () => {
  for (const weir of opened.splice(0)) await weir.close(100);
});

const SCOPE = { team: "search", tenant: "acme" };

function open(options: NodeOptions = {}): ReturnType<typeof openWeir> {
  const weir = openWeir({ defaults: SCOPE, server: scripted.grpc, ...options });
  opened.push(weir);
  return weir;
}

const openai = (weir: WeirSdk, maxRetries = 2): OpenAI =>
  new OpenAI({
    apiKey: SIMULATED_KEYS.openai,
    baseURL: `${provider.url}/v1`,
    fetch: weir.fetch,
    maxRetries,
  });
const BODY = {
  messages: [{ content: "Say hello to the world.", role: "user" as const }],
  model: "big",
};

async function all<Item>(items: AsyncIterable<Item>): Promise<readonly Item[]> {
  const found: Item[] = [];
  for await (const item of items) found.push(item);
  return found;
}

async function until(condition: () => boolean): Promise<void> {
  const giveUpAt = Date.now() + 20_000;
  while (!condition()) {
    if (Date.now() > giveUpAt) throw new Error("the condition did not come true");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe("Weir does not answer", () => {
  const down = async (): Promise<string> => `127.0.0.1:${await freePort()}`;

  test.each(["grpc", "http"])(
    "closed, over %s: the call is not made, the library says why",
    async (kind) => {
      const address = await down();
      const server = kind === "grpc" ? address : `http://${address}`;
      const weir = open({ decideTimeoutMs: 150, server });
      const error = (await openai(weir, 0)
        .chat.completions.create(BODY)
        .catch((thrown: unknown) => thrown)) as Error;
      expect(error).toBeInstanceOf(OpenAI.InternalServerError);
      expect(error.message).toMatch(
        /^503 weir gave no decision .*the fail mode is closed, so the call was not made/,
      );
      expect(provider.seen).toEqual([]);
      expect(weir.counts()).toMatchObject({ open: 0, unavailable: 1 });
    },
  );

  test("open: the call runs, and everybody can see that it did", async () => {
    const seen: string[] = [];
    const weir = open({
      decideTimeoutMs: 100,
      failMode: "open",
      onOpen: (why) => seen.push(why.code),
      server: await down(),
    });
    const { data, response } = await openai(weir).chat.completions.create(BODY).withResponse();
    expect(data.choices[0]?.message.content).toMatch(/^word .* word11$/);
    expect(response.headers.get("x-weir-effect")).toBe("open");
    expect(callOf(response)).toBeNull();
    expect(seen).toHaveLength(1);
    expect(weir.counts()).toMatchObject({ open: 1 });
  });

  test("what Weir refuses as malformed is no outage: no fail mode lets it through", async () => {
    const weir = open({ defaults: {}, failMode: "open" });
    const error = (await openai(weir)
      .chat.completions.create(BODY)
      .catch((thrown: unknown) => thrown)) as Error;
    expect(error).toBeInstanceOf(OpenAI.PermissionDeniedError);
    expect(error.message).toContain("attribution.tenant: missing");
    expect(provider.seen).toEqual([]);
  });

  test("it comes back within the deadline: the call waits for it", async () => {
    const own = await startScriptedWeir();
    const port = Number(own.grpc.split(":")[1]);
    const weir = open({ decideTimeoutMs: 20_000, server: own.grpc });
    await openai(weir).chat.completions.create(BODY);
    expect(await weir.flush()).toBe(true);
    await own.close();
    const waiting = openai(weir).chat.completions.create(BODY);
    const again = await startScriptedWeir(port);
    expect((await waiting).choices).toHaveLength(1);
    expect(await weir.flush(20_000)).toBe(true);
    expect(again.reports).toHaveLength(1);
    await weir.close();
    await again.close();
  });
});

describe("the provider fails", () => {
  test.each([429, 500])("%d: the library's retries are attempts of one intent", async (status) => {
    provider.script({ retryAfterMs: 5, status }, { retryAfterMs: 5, status });
    const weir = open();
    await openai(weir).chat.completions.create(BODY);
    expect(await weir.flush()).toBe(true);
    expect(new Set(scripted.intents.map(({ id }) => id)).size).toBe(1);
    const reason = `http_${status}`;
    expect(scripted.intents.map(({ attempt }) => attempt)).toMatchObject([
      { number: 1, reason: "" },
      { number: 2, reason },
      { number: 3, reason },
    ]);
    expect(scripted.reports.map(({ outcome }) => outcome).toSorted()).toEqual([
      "error",
      "error",
      "ok",
    ]);
    const [ok] = scripted.reports.filter(({ outcome }) => outcome === "ok");
    expect(ok?.usage).toMatchObject(billOf(provider.served[0]));
  });

  test("it cannot be reached: what was held is released", async () => {
    const weir = open();
    const client = new Anthropic({
      apiKey: SIMULATED_KEYS.anthropic,
      baseURL: `http://127.0.0.1:${await freePort()}`,
      fetch: weir.fetch,
      maxRetries: 0,
    });
    const call = client.messages.create({ ...BODY, max_tokens: 5 });
    await expect(call).rejects.toBeInstanceOf(Anthropic.APIConnectionError);
    expect(scripted.cancelled).toHaveLength(1);
    expect(scripted.reports).toEqual([]);
  });

  test("it cuts the connection before it answers: the input is charged as estimated", async () => {
    provider.script({ cutAfterEvents: 0 });
    const weir = open();
    await expect(openai(weir, 0).chat.completions.create(BODY)).rejects.toThrow("Connection error");
    await weir.flush();
    expect(scripted.reports).toMatchObject([{ basis: "estimated", outcome: "error" }]);
    expect(scripted.reports[0]?.usage.input).toBe(scripted.intents[0]?.tokens.input);
  });

  test("a stream is cut: what was seen is charged", async () => {
    provider.script({ cutAfterEvents: 2 });
    const weir = open();
    const events = await openai(weir).chat.completions.create({ ...BODY, stream: true });
    await expect(all(events)).rejects.toThrow();
    await weir.flush();
    expect(scripted.reports).toMatchObject([{ basis: "estimated", outcome: "error" }]);
    expect(scripted.reports[0]?.usage.output).toBeGreaterThan(0);
  });

  test("an answer that comes compressed is read, and reaches the client as it was", async () => {
    provider.script({ compress: true });
    const weir = open();
    const done = await openai(weir).chat.completions.create(BODY);
    expect(done.choices[0]?.message.content).toMatch(/^word .* word11$/);
    await weir.flush();
    expect(scripted.reports).toMatchObject([
      { basis: "provider", usage: billOf(provider.served[0]) },
    ]);
  });
});

describe("the client leaves", () => {
  test("in the middle of a stream: settled by what it saw, and the provider learns of it", async () => {
    provider.script({ hangAfterEvents: 2 }, { hangAfterEvents: 8 });
    const weir = open();
    const aborter = new AbortController();
    const options = { signal: aborter.signal };
    const events = await openai(weir).chat.completions.create({ ...BODY, stream: true }, options);
    let count = 0;
    for await (const _ of events) {
      count += 1;
      if (count === 2) aborter.abort();
    }
    await until(() => scripted.reports.length === 1);
    expect(scripted.reports).toMatchObject([{ basis: "estimated", outcome: "cancelled" }]);
    expect(scripted.reports[0]?.usage.output).toBeGreaterThan(0);
    await until(() => provider.served[0]?.aborted === true);

    const anthropic = new Anthropic({
      apiKey: SIMULATED_KEYS.anthropic,
      baseURL: provider.url,
      fetch: weir.fetch,
    });
    const messages = await anthropic.messages.create({ ...BODY, max_tokens: 50, stream: true });
    let deltas = 0;
    for await (const event of messages) {
      if (event.type === "content_block_delta") deltas += 1;
      if (deltas === 6) break;
    }
    await until(() => scripted.reports.length === 2);
    // The provider told the input at the start, but of the output only its first token.
    expect(scripted.reports[1]).toMatchObject({ basis: "estimated", outcome: "cancelled" });
    expect(scripted.reports[1]?.usage.input).toBe(provider.served[1]?.input);
    expect(scripted.reports[1]?.usage.output).toBeGreaterThan(1);
  });

  test("before the answer: the input is charged as estimated", async () => {
    provider.script({ hangAfterEvents: 0 });
    const weir = open();
    const signal = AbortSignal.timeout(300);
    const call = openai(weir).chat.completions.create({ ...BODY, stream: true }, { signal });
    await expect(call).rejects.toBeInstanceOf(OpenAI.APIUserAbortError);
    await until(() => scripted.reports.length === 1);
    expect(scripted.reports).toMatchObject([{ basis: "estimated", outcome: "cancelled" }]);
  });
});

describe("streams", () => {
  test("pass through event by event, not ahead of the reader", async () => {
    provider.script({ hangAfterEvents: 1 });
    const weir = open();
    const stream = await openai(weir).chat.completions.create({ ...BODY, stream: true });
    // The rest never comes; the first event is there all the same.
    const { value } = await stream[Symbol.asyncIterator]().next();
    expect(value?.choices[0]?.delta.content).toBe("word");
    stream.controller.abort();
  });

  test("are asked for usage without the client seeing it, unless it asked", async () => {
    const weir = open();
    const ask = async (extra: object) => {
      const events = await openai(weir).chat.completions.create({
        ...BODY,
        ...extra,
        stream: true,
      });
      return (await all(events)).filter(({ choices }) => choices.length === 0).length;
    };
    expect(await ask({})).toBe(0);
    expect(await ask({ stream_options: { include_usage: true } })).toBe(1);
    for (const { body } of provider.seen) {
      expect(JSON.parse(body)).toMatchObject({ stream_options: { include_usage: true } });
    }
    await weir.flush();
    expect(scripted.reports).toMatchObject([{ basis: "provider" }, { basis: "provider" }]);
  });
});

describe("reports", () => {
  test("are sent again until Weir takes them", async () => {
    const weir = open();
    scripted.overload(3);
    const { response } = await openai(weir).chat.completions.create(BODY).withResponse();
    const settlement = await callOf(response)?.settled;
    expect(settlement).toMatchObject({
      decisionId: callOf(response)?.decision.id,
      status: "settled",
    });
    expect(weir.counts().reports).toEqual({ delivered: 1, lost: 0, pending: 0 });
  });

  test("that Weir refuses for good are told, not lost in silence", async () => {
    const lost: string[] = [];
    const weir = open({ onLost: (report, why) => lost.push(`${report.decisionId} ${why.code}`) });
    const rawUsage = { format: "openai.chat", json: { nothing: true } };
    expect(await weir.guard({ model: "openai:big" }, async () => ({ rawUsage, value: 7 }))).toBe(7);
    await weir.flush();
    expect(lost).toEqual([expect.stringMatching(/^d-\d+ report\.invalid$/)]);
    expect(weir.counts().reports).toMatchObject({ lost: 1, pending: 0 });
  });

  test.each([
    ["ends by itself", "", 1],
    ["exits at once", "process.exit(0);", 0],
  ])("a process that %s", async (_, end, delivered) => {
    const script = `
      import { openWeir } from ${JSON.stringify(join(import.meta.dirname, "../../adapters/sdk/node.ts"))};
      const weir = openWeir({ defaults: { tenant: "acme" }, server: ${JSON.stringify(scripted.grpc)} });
      await weir.guard({ model: "openai:big", input: 10 }, async () => ({ usage: { input: 10, output: 5 }, value: 1 }));
      ${end}
    `;
    const stderr = await spawned(script);
    if (delivered === 1) expect(stderr).toBe("");
    else expect(stderr).toContain("1 reports not delivered");
  });
});

/** Runs a script in a process of its own; what it said on standard error. */
async function spawned(script: string): Promise<string> {
  const cwd = join(import.meta.dirname, "../..");
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], { cwd });
  const [stderr] = await Promise.all([text(child.stderr), once(child, "close")]);
  return stderr;
}

describe("what Weir cannot judge", () => {
  test("is refused unless the application says otherwise; lists and token counts pass", async () => {
    const post = (weir: WeirSdk, path: string, body: string | FormData) =>
      weir.fetch(provider.url + path, { body, method: "POST" });
    const weir = open();
    const refused = await post(weir, "/v1/audio/transcriptions", new FormData());
    expect(refused.status).toBe(403);
    expect(await refused.text()).toContain('unknownCalls \\"pass\\" would let it through');
    expect((await post(weir, "/v1/chat/completions", "{")).status).toBe(403);
    expect((await post(weir, "/v1/messages/count_tokens", "{}")).status).toBe(200);
    expect((await weir.fetch(`${provider.url}/v1/models`)).status).toBe(200);
    expect(scripted.intents).toEqual([]);
    expect((await post(open({ unknownCalls: "pass" }), "/v1/audio/speeches", "{}")).status).toBe(
      404,
    );
  });
});

describe("a reroute to another provider", () => {
  test("goes there where the format is the same, with that provider's key and no other", async () => {
    const other = await startProviderSimulator();
    scripted.rerouteTo = "groq:openai/gpt-oss-20b";
    const targets = {
      groq: {
        baseUrl: `${other.url}/openai/v1`,
        headers: { authorization: `Bearer ${SIMULATED_KEYS.openai}` },
      },
    };
    const weir = open({ targets });
    const task = weir.scoped({ task: "reroute" });
    await openai(task).chat.completions.create(BODY, { headers: { "openai-organization": "org" } });
    expect(provider.seen).toEqual([]);
    const [call] = other.seen;
    expect(call?.path).toBe("/openai/v1/chat/completions");
    expect(other.served).toMatchObject([{ model: "openai/gpt-oss-20b" }]);
    expect(call?.headers["openai-organization"]).toBeUndefined();
    expect(scripted.intents[0]?.providers).toEqual(["openai", "groq"]);

    const anthropic = new Anthropic({
      apiKey: SIMULATED_KEYS.anthropic,
      baseURL: provider.url,
      fetch: task.fetch,
    });
    const error = await anthropic.messages
      .create({ ...BODY, max_tokens: 5 })
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(Anthropic.PermissionDeniedError);
    expect(String(error)).toContain("rerouted to groq:openai/gpt-oss-20b, which no target");
    expect(scripted.cancelled).toHaveLength(1);
    expect(scripted.intents[1]?.providers).toEqual(["anthropic"]);
    scripted.rerouteTo = null;
    await other.close();
  });
});

describe("scopes and runs", () => {
  test("follow the code, and steps are counted over processes", async () => {
    const weir = open();
    const ask = () => openai(weir).chat.completions.create(BODY);
    const handed = await weir.with({ user: "u-7" }, () =>
      weir.run({ id: "0af7651916cd43dd8448eb211c80319c" }, async () => {
        await ask();
        await ask();
        await weir.run({ id: "sub" }, ask);
        return weir.propagation();
      }),
    );
    expect(handed["baggage"]).toBe(
      "weir.run=0af7651916cd43dd8448eb211c80319c,weir.step=2,weir.depth=1,weir.user=u-7",
    );
    expect(handed["traceparent"]).toMatch(/^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01$/);
    const elsewhere = open();
    await elsewhere.resume({ ...handed, baggage: `other=1,${handed["baggage"]}` }, () =>
      openai(elsewhere).chat.completions.create(BODY),
    );
    await elsewhere.resume({ traceparent: handed["traceparent"] }, () =>
      openai(elsewhere).chat.completions.create(BODY),
    );
    const id = "0af7651916cd43dd8448eb211c80319c";
    expect(
      scripted.intents.map(({ attribution, run }) => ({
        ...run,
        fingerprint: "",
        user: attribution.user,
      })),
    ).toEqual([
      { depth: 0, fingerprint: "", id, parent: "", step: 1, user: "u-7" },
      { depth: 0, fingerprint: "", id, parent: "", step: 2, user: "u-7" },
      { depth: 1, fingerprint: "", id: "sub", parent: id, step: 1, user: "u-7" },
      { depth: 1, fingerprint: "", id, parent: "", step: 3, user: "u-7" },
      { depth: 0, fingerprint: "", id, parent: "", step: 4, user: "" },
    ]);
    // The same body again is the same step repeated.
    expect(new Set(scripted.intents.map(({ run }) => run.fingerprint)).size).toBe(1);
    expect(
      provider.seen.filter(({ headers }) => headers["baggage"] ?? headers["traceparent"]),
    ).toEqual([]);
  });

  test("headers of one call say more than the rest, and stay with us", async () => {
    const weir = open();
    const headers = {
      "x-weir-feature": "answers",
      "x-weir-run": "r-1",
      "x-weir-step": "9",
      "x-weir-team": "ads",
    };
    await openai(weir).chat.completions.create(BODY, { headers });
    expect(scripted.intents).toMatchObject([
      {
        attribution: { feature: "answers", team: "ads" },
        run: { id: "r-1", step: 9 },
        tenant: "acme",
      },
    ]);
    expect(Object.keys(provider.seen[0]?.headers ?? {}).join()).not.toContain("x-weir");
  });
});

describe("guard", () => {
  test("decides calls of any kind, tools too", async () => {
    const weir = open();
    const value = await weir.guard(
      { input: "some text", model: "tool:web-search" },
      async (decision) => {
        expect(decision?.effect).toBe("allow");
        return { usage: { input: 3, output: 0 }, value: "found" };
      },
    );
    expect(value).toBe("found");
    const blocked = weir
      .scoped({ task: "block" })
      .guard({ model: "openai:big" }, () => Promise.reject(new Error("called")));
    await expect(blocked).rejects.toBeInstanceOf(WeirBlockedError);
    await expect(blocked).rejects.toMatchObject({
      code: "budget.exhausted",
      details: { budget: "search-day" },
      isRetryable: false,
    });
    await expect(
      weir.guard({ model: "openai:big" }, () => Promise.reject(new Error("mine"))),
    ).rejects.toThrow("mine");
    await weir.flush();
    expect(scripted.intents[0]).toMatchObject({ operation: "tool", tokens: { input: 2 } });
    expect(scripted.reports.map(({ basis, outcome }) => `${basis} ${outcome}`)).toEqual([
      "provider ok",
      "estimated error",
    ]);
  });
});
