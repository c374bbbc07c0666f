import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { readLog } from "../../adapters/embedded/segments.ts";
import { dataLayout } from "../../adapters/serve/local-storage.ts";
import { LIMITS } from "../../engine/limits.ts";
import { type Live, openLive } from "./live.ts";

// Goal: the same care for what only JSON can say. Method: the decision endpoint of the whole service.

let live: Live;
let count = 0;

beforeAll(async () => {
  live = await openLive();
});

afterAll(async () => {
  expect(live.faults).toEqual([]);
  expect(await live.close()).toMatchObject({ differences: [], imbalances: [], owed: 0 });
});

/** The text of a lawful request, with this text in place of the tokens, or added after them. */
function request(tokens: string, more = ""): string {
  count += 1;
  const attribution =
    '{"tenant":"acme","team":"search","feature":"answers","service":"s","cost_center":"cc-100","environment":"prod"}';
  const intent = `"id":"j${count}","operation":"chat","model":"openai:gpt-5-mini","task":"chat","attribution":${attribution}`;
  return `{"input":{"intent":{${intent},"tokens":${tokens}${more}}}}`;
}

async function expectRefused(body: string, status: number, want: object): Promise<void> {
  const before = await live.standing();
  expect(await live.post(body)).toEqual({ body: want, status });
  expect(await live.standing()).toEqual(before);
  await live.proveItServes();
}

function invalid(field: string, description: string, what = "intent"): object {
  return {
    code: "intent.invalid",
    errors: [{ description, field }],
    message: `${what} refused: ${field}: ${description}`,
  };
}

describe("numbers", () => {
  const CASES: readonly (readonly [string, string])[] = [
    ["1.5", "1.5"],
    ["-1", "-1"],
    ["0.1", "0.1"],
    ["1e400", "Infinity"],
    ["-1e400", "-Infinity"],
    ["1e-400", ""],
    ["9007199254740992", "9007199254740992"],
    ["1e100", "1e+100"],
    ['"NaN"', '"NaN"'],
    ['"1.5"', '"1.5"'],
    ['"1e3"', '"1e3"'],
    ['"0x10"', '"0x10"'],
    ['" 1"', '" 1"'],
    ['"9007199254740993"', '"9007199254740993"'],
    ["true", "true"],
    ["[]", "a list"],
    ["[1]", "a list"],
    ["{}", "an object"],
  ];
  test.each(CASES.filter(([, shown]) => shown !== ""))("a count of %s", async (text, shown) => {
    const description = `${shown} is not a whole number from 0 to ${LIMITS.tokens}`;
    await expectRefused(request(`{"input":${text}}`), 400, invalid("tokens.input", description));
  });

  test.each(["NaN", "Infinity", "-Infinity", "undefined", "01", ".5", "+1", "0x10", "1_000"])(
    "%s is not JSON",
    async (text) => {
      const body = {
        code: "http.malformed",
        errors: [],
        message: expect.stringMatching(/^the body is not valid JSON( at position \d+)?$/),
      };
      await expectRefused(request(`{"input":${text}}`), 400, body);
    },
  );

  test.each(["1e3", "1000.0", '"1000"', "-0", "0"])("%s is a whole number", async (text) => {
    expect((await live.post(request(`{"input":${text}}`))).status).toBe(200);
  });
});

describe("text", () => {
  test("a lone surrogate becomes U+FFFD before anything sees it, and so it is in the log", async () => {
    const { body, status } = await live.post(
      request('{"input":1}', String.raw`,"release":"a\ud800b"`),
    );
    expect(status).toBe(200);
    const { decision_id: id } = body as { readonly decision_id: string };
    const lines = [...readLog(dataLayout(live.config.data).log)].map(({ line }) => line);
    const text = JSON.stringify(lines.find((line) => line.kind === "decision" && line.id === id));
    expect(text).toContain("a\ufffdb");
    expect(text.isWellFormed()).toBe(true);
    expect(text).not.toContain(String.raw`\ud800`);
  });

  test("a pair of surrogates stays what it is, and counts as two units of a limit", async () => {
    const pair = String.raw`\ud83d\ude00`;
    expect(
      (await live.post(request('{"input":1}', `,"release":"${pair.repeat(64)}"`))).status,
    ).toBe(200);
    const over = request('{"input":1}', `,"release":"${pair.repeat(65)}"`);
    await expectRefused(over, 400, invalid("release", "130 characters, at most 128 are accepted"));
  });

  test("control characters", async () => {
    const description = String.raw`"\u0000" holds control characters; none are accepted`;
    await expectRefused(
      request('{"input":1}', String.raw`,"release":"\u0000"`),
      400,
      invalid("release", description),
    );
  });

  test("a value of another type", async () => {
    const cases: readonly (readonly [string, string, string])[] = [
      [',"release":7', "release", "7 is not a string"],
      [',"release":["a"]', "release", "a list is not a string"],
      [',"labels":{"a":{}}', "labels.a", "an object is not a string"],
      [',"labels":[]', "labels", "a list is not an object"],
      [',"data":{"classes":"pii"}', "data.classes", "not a list"],
      [
        ',"service_tier":"SERVICE_TIER_GOLD"',
        "service_tier",
        '"gold" is not accepted; accepted are standard, batch, flex, priority',
      ],
    ];
    for (const [more, field, description] of cases) {
      await expectRefused(request('{"input":1}', more), 400, invalid(field, description));
    }
  });
});

describe("structure", () => {
  test("of a key given twice the last counts, as JSON parsers have it; two spellings of one are refused", async () => {
    const twice = request('{"input":-1}', ',"tokens":{"input":1}');
    expect((await live.post(twice)).status).toBe(200);
    const spelled = request('{"input":1}', ',"service_tier":"batch","serviceTier":"flex"');
    const field = "input.intent.service_tier";
    await expectRefused(
      spelled,
      400,
      invalid(field, "given twice, as service_tier and as serviceTier"),
    );
  });

  test("100,000 levels of nesting", async () => {
    const lists = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
    await expectRefused(request(lists), 400, invalid("input.intent.tokens", "not an object"));
    const inCount = `{"input":${lists}}`;
    const description = `a list is not a whole number from 0 to ${LIMITS.tokens}`;
    await expectRefused(request(inCount), 400, invalid("tokens.input", description));
    const unclosed = {
      code: "http.malformed",
      errors: [],
      message: expect.stringContaining("not valid JSON"),
    };
    await expectRefused(request("[".repeat(100_000)), 400, unclosed);
  });

  test("a field that is none, and facts that only the service may state", async () => {
    const unknown = request('{"input":1}', ',"modle":"x"');
    const near = "unknown field; the nearest valid one is model";
    await expectRefused(unknown, 400, invalid("input.intent.modle", near));
    const facts = '{"input":{"intent":{},"facts":{"cost_micro_usd":0}}}';
    const computed =
      "is computed by the service and not accepted from a caller; accepted is intent alone";
    await expectRefused(facts, 400, invalid("input.facts", computed, "request"));
    const prototype = request('{"input":1}', ',"__proto__":{"id":"x"}');
    const answer = await live.post(prototype);
    expect(answer).toMatchObject({ body: { code: "intent.invalid" }, status: 400 });
  });

  test.each([
    "null",
    "[]",
    "1",
    '"text"',
    "{}",
    '{"input":null}',
    '{"input":{}}',
    '{"input":{"intent":[]}}',
  ])("a body of %s", async (body) => {
    const before = await live.standing();
    const answer = await live.post(body);
    expect(answer).toMatchObject({ body: { code: "intent.invalid" }, status: 400 });
    expect((answer.body as { errors: unknown[] }).errors).toHaveLength(1);
    expect(await live.standing()).toEqual(before);
  });

  test("an empty body, and one that is not there in full", async () => {
    const empty = {
      code: "http.malformed",
      errors: [],
      message: "the body is empty; JSON is accepted",
    };
    await expectRefused(" ", 400, empty);
    const cut = {
      code: "http.malformed",
      errors: [],
      message: expect.stringContaining("the body is not valid JSON"),
    };
    await expectRefused(request('{"input":1}').slice(0, -1), 400, cut);
  });

  test("a body at the limit is taken, one byte more is not", async () => {
    const padded = (bytes: number): string => request('{"input":1}').padEnd(bytes, " ");
    expect((await live.post(padded(LIMITS.messageBytes))).status).toBe(200);
    const message = "the body is too large; at most 262144 bytes are accepted";
    const want = { code: "http.body_too_large", errors: [], message };
    await expectRefused(padded(LIMITS.messageBytes + 1), 413, want);
    await expectRefused(padded(10 * 1024 * 1024), 413, want);
  });
});
