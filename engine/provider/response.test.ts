import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  eventStreamMessage,
  jsonBytes,
  type SseForm,
  sseBytes,
} from "../../adapters/cli/simulator/wire.ts";
import { FORMAT_NAMES, type FormatName } from "./format.ts";
import { openResponseReader, readUsageFragments, readUsageJson, settledUsage } from "./response.ts";
import type { UsageReading } from "./usage.ts";

interface Case {
  readonly name: string;
  readonly kind: "json" | "sse" | "eventstream";
  readonly events?: boolean;
  readonly done?: boolean;
  readonly documents: readonly Readonly<Record<string, unknown>>[];
  readonly want: Omit<UsageReading, "answered"> & { readonly answeredBytes: number };
}

const FOLDER = new URL("../../test/fixtures/providers/", import.meta.url);
const FIXTURES = readdirSync(FOLDER).map(
  (file) =>
    JSON.parse(readFileSync(new URL(file, FOLDER), "utf8")) as {
      readonly format: FormatName;
      readonly source: string;
      readonly date: string;
      readonly cases: readonly Case[];
    },
);
const CASES = FIXTURES.flatMap(({ cases, format }) => cases.map((one) => ({ ...one, format })));

const TYPES = {
  eventstream: "application/vnd.amazon.eventstream",
  json: "application/json; charset=utf-8",
  sse: "text/event-stream",
} as const;

function bytesOf({ documents, done, events, kind }: Case, newline = "\n"): Uint8Array {
  if (kind === "json") return jsonBytes(documents[0]);
  if (kind === "sse") {
    const form: SseForm = { done: done ?? false, named: events ?? false, newline };
    return sseBytes(documents, form);
  }
  return Buffer.concat(
    documents.map(({ _, ...payload }) => eventStreamMessage(String(_), payload)),
  );
}

function read(format: FormatName, kind: Case["kind"], chunks: readonly Uint8Array[]): unknown {
  const reader = openResponseReader(format, TYPES[kind]);
  for (const chunk of chunks) reader.push(chunk);
  return shown(reader.end());
}

function shown({ answered, ...reading }: UsageReading): unknown {
  return { ...reading, answeredBytes: answered.bytes };
}

describe("fixtures", () => {
  it("cover every format, each with its source and date", () => {
    expect(FIXTURES.map(({ format }) => format).toSorted()).toEqual(FORMAT_NAMES.toSorted());
    for (const { date, source } of FIXTURES) {
      expect(source).not.toBe("");
      expect(date).toMatch(/^\d{4}-\d\d-\d\d$/);
    }
  });
});

describe.each(CASES)("$format: $name", (one) => {
  const { format, kind, want } = one;

  it("is read whole", () => {
    expect(read(format, kind, [bytesOf(one)])).toEqual(want);
  });

  it("is read the same with a chunk border at every byte", () => {
    const bytes = bytesOf(one);
    for (let border = 1; border < bytes.length; border += 1) {
      const chunks = [bytes.subarray(0, border), bytes.subarray(border)];
      expect(read(format, kind, chunks), `border at ${border}`).toEqual(want);
    }
    expect(
      read(
        format,
        kind,
        Array.from(bytes, (byte) => Uint8Array.of(byte)),
      ),
    ).toEqual(want);
  });
});

describe("a stream of events", () => {
  const streams = CASES.filter(({ kind }) => kind === "sse");

  it.each(["\r\n", "\r"])("may end its lines in %j, at any border", (newline) => {
    for (const one of streams) {
      const bytes = bytesOf(one, newline);
      fc.assert(
        fc.property(fc.nat(bytes.length), fc.nat(bytes.length), (first, second) => {
          const [low, high] = first < second ? [first, second] : [second, first];
          const chunks = [bytes.subarray(0, low), bytes.subarray(low, high), bytes.subarray(high)];
          expect(read(one.format, "sse", chunks)).toEqual(one.want);
        }),
        { numRuns: 20 },
      );
    }
  });

  it("that is cut anywhere never fails and never tells more than it has", () => {
    for (const one of CASES.filter(({ kind }) => kind !== "json")) {
      const bytes = bytesOf(one);
      for (let end = 0; end < bytes.length; end += 7) {
        const reading = read(one.format, one.kind, [bytes.subarray(0, end)]) as typeof one.want;
        const { usage } = reading;
        if (usage !== null) expect(usage.input).toBe(one.want.usage?.input);
        expect(reading.answeredBytes).toBeLessThanOrEqual(one.want.answeredBytes);
      }
    }
  });

  it("may hold comments, other fields, data over several lines and garbage", () => {
    const text =
      ': ping\nid: 1\nretry: 5\ndata: {"choices":[],\ndata:"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\n' +
      "data: {broken\n\ndata\n\n";
    const reading = read("openai.chat", "sse", [Buffer.from(text)]) as { usage: unknown };
    expect(reading.usage).toMatchObject({ input: 1, output: 2 });
  });

  it("of Amazon's that is no event stream tells nothing", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const reading = read("bedrock.converse", "eventstream", [bytes]) as { usage: unknown };
        expect(reading.usage).toBeNull();
      }),
    );
  });
});

describe("readUsageJson", () => {
  it("takes a whole answer, its usage alone, or events", () => {
    const usage = { completion_tokens: 7, prompt_tokens: 11, total_tokens: 18 };
    for (const json of [usage, { usage }, [{ usage: null }, { choices: [], usage }]]) {
      expect(readUsageJson("openai.chat", json).usage).toMatchObject({ input: 11, output: 7 });
    }
    const google = { candidatesTokenCount: 2, promptTokenCount: 3 };
    expect(readUsageJson("google.generate_content", google).usage).toMatchObject({ input: 3 });
  });

  it("finds no usage where there is none", () => {
    for (const json of [null, 7, "x", [], {}, { error: { message: "x" } }, { usage: null }]) {
      expect(readUsageJson("anthropic.messages", json).usage).toBeNull();
    }
  });

  it("keeps parts within their whole, whatever a provider says", () => {
    const anyNumber = fc.oneof(fc.integer(), fc.double(), fc.string(), fc.constant(null));
    const names = [
      "prompt_tokens",
      "completion_tokens",
      "input_tokens",
      "output_tokens",
      "cache_read_input_tokens",
      "cache_creation_input_tokens",
      "inputTokens",
      "outputTokens",
      "cacheReadInputTokens",
      "promptTokenCount",
      "thoughtsTokenCount",
      "cachedContentTokenCount",
    ];
    const details = fc.dictionary(
      fc.constantFrom("cached_tokens", "cache_write_tokens", "reasoning_tokens"),
      anyNumber,
    );
    const usage = fc.record({
      ...Object.fromEntries(names.map((name) => [name, anyNumber])),
      completion_tokens_details: details,
      prompt_tokens_details: details,
    });
    fc.assert(
      fc.property(fc.constantFrom(...FORMAT_NAMES), usage, (format, raw) => {
        const read = readUsageJson(format, { usage: raw, usageMetadata: raw }).usage;
        if (read === null) return;
        expect(read.cacheRead + read.cacheWrite5m + read.cacheWrite1h).toBeLessThanOrEqual(
          read.input,
        );
        expect(read.reasoning).toBeLessThanOrEqual(read.output);
        for (const value of Object.values(read)) expect(Number.isSafeInteger(value)).toBe(true);
      }),
    );
  });

  it("names no more unknown fields than fit a metric", () => {
    const many = Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`x${index}`, 1]));
    const strange = { ["\u0000 y"]: 1, ...many, prompt_tokens: 1 };
    const { unknownFields } = readUsageJson("openai.chat", { usage: strange });
    expect(unknownFields).toHaveLength(8);
    expect(unknownFields[0]).toBe("usage.?");
  });
});

describe("readUsageFragments", () => {
  it("reads data of events and the end of a JSON answer that was cut", () => {
    const cut = ['"usage": {"prompt_tokens": 11, "completion_tokens": 7, "x": "}"}, "service_t'];
    expect(readUsageFragments("openai.chat", cut).usage).toMatchObject({ input: 11, output: 7 });
    const events = [
      ' {"type":"message_start","message":{"usage":{"input_tokens":25,"output_tokens":1}}}',
      ' {"type":"message_delta","delta":{},"usage":{"output_tokens":15}}',
    ];
    expect(readUsageFragments("anthropic.messages", events).usage).toMatchObject({
      input: 25,
      output: 15,
    });
  });

  it("leaves out what makes no sense", () => {
    for (const fragments of [[], [""], ['"usage": {"prompt_tok'], ["nonsense"]]) {
      expect(readUsageFragments("openai.chat", fragments).usage).toBeNull();
    }
  });
});

describe("settledUsage", () => {
  const reading = (content: string, usage?: object, finish?: string): UsageReading =>
    readUsageJson("openai.chat", {
      choices: [{ finish_reason: finish ?? null, message: { content } }],
      usage,
    });

  it("takes the provider's figures, zeros too", () => {
    const zeros = { completion_tokens: 0, prompt_tokens: 0 };
    const settled = settledUsage(reading("x".repeat(400), zeros, "stop"), 50, "gpt-5-mini");
    expect(settled).toMatchObject({ basis: "provider", usage: { input: 0, output: 0 } });
  });

  it("takes an answer that has not ended for what was seen of it, where that is more", () => {
    const [told, words] = [{ completion_tokens: 1, prompt_tokens: 7 }, "a few words were seen"];
    const cut = settledUsage(reading(words, told), 50, "gpt-5-mini");
    expect(cut).toMatchObject({ basis: "estimated", usage: { input: 7, output: 5 } });
    const more = settledUsage(reading(words, { ...told, completion_tokens: 9 }), 50, "gpt-5-mini");
    expect(more).toMatchObject({ basis: "provider", usage: { input: 7, output: 9 } });
  });

  it("estimates where no call can have used what was told", () => {
    const absurd = { completion_tokens: 10 ** 12, prompt_tokens: 7 };
    const settled = settledUsage(
      reading("a few words were seen", absurd, "stop"),
      50,
      "gpt-5-mini",
    );
    expect(settled).toMatchObject({ basis: "estimated", usage: { input: 50, output: 5 } });
  });

  it("estimates where the provider told nothing", () => {
    const settled = settledUsage(reading("a few words were seen"), 50, "gpt-5-mini");
    expect(settled).toMatchObject({ basis: "estimated", usage: { input: 50, output: 5 } });
  });
});

it("an answer that names only its cap tells no usage, and one nested too deeply tells nothing", () => {
  const queued = { max_output_tokens: 4_096, object: "response", status: "queued", usage: null };
  expect(readUsageJson("openai.responses", queued).usage).toBeNull();
  const deep = JSON.parse(`${'{"a":'.repeat(20_000)}1${"}".repeat(20_000)}`) as unknown;
  const parts = [{ functionCall: { args: deep } }];
  const answer = { candidates: [{ content: { parts } }], usageMetadata: { promptTokenCount: 1 } };
  expect(readUsageJson("google.generate_content", answer).usage).toBeNull();
});
