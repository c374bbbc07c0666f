import { describe, expect, test } from "vitest";

import { WeirError } from "../errors.ts";
import { parseReport } from "./parse-report.ts";
import type { RawReport } from "./report.ts";

const CHAT = "openai.chat";

function refusals(report: RawReport): readonly string[] {
  try {
    parseReport({ decisionId: "d", ...report });
    return [];
  } catch (thrown) {
    if (!(thrown instanceof WeirError)) throw thrown;
    return thrown.violations.map(({ description, field }) => `${field}: ${description}`);
  }
}

const raw = (json: unknown) => ({ rawUsage: { format: CHAT, json } });

describe("a provider's own usage", () => {
  test.each([
    ["tells nothing", { error: { message: "no" } }, "holds no usage in the form of openai.chat"],
    ["is no JSON", "{", '"{" is not JSON'],
    [
      "tells more than any call can use",
      { usage: { completion_tokens: 1, prompt_tokens: 1e308 } },
      "a count in it is above 199999999 tokens, more than a call can use",
    ],
  ])("that %s is one error, in a final report too", (_, json, message) => {
    expect(refusals({ ...raw(json), final: true })).toEqual([`raw_usage.json: ${message}`]);
    expect(refusals(raw(json))).toEqual([`raw_usage.json: ${message}`]);
  });

  test("that does not tell how the call ended needs it said, and nothing else", () => {
    const usage = { completion_tokens: 1, prompt_tokens: 200_000_000 - 1 };
    expect(refusals({ ...raw({ usage }), final: true })).toEqual([
      "outcome: missing; accepted are ok, error, cancelled, truncated, filtered",
    ]);
    expect(refusals({ ...raw({ usage }), final: true, outcome: "ok" })).toEqual([]);
  });
});

test("sequences are counted from 1; absent is 1", () => {
  const usage = { input: 1 };
  for (const sequence of [undefined, null, 0, 1]) {
    expect(parseReport({ decisionId: "d", sequence, usage } as RawReport).sequence).toBe(1);
  }
});
