import { describe, expect, test } from "vitest";

import type { FormatName } from "../../engine/provider/format.ts";
import type { Ticket } from "./ticket.ts";
import { type CallEnd, readingOf, settlementOf } from "./to-report.ts";

const TICKET: Ticket = {
  decisionId: "d1",
  format: "anthropic.messages",
  inputTokens: 70,
  model: "anthropic:claude-haiku-5-5",
  outputTokensMax: 500,
  principal: "p",
};
const END: CallEnd = {
  bodyBytes: 4_000,
  cut: "",
  events: 0,
  outputTokens: null,
  reached: true,
  status: 200,
};
const START = '{"type":"message_start","message":{"usage":{"input_tokens":90,"output_tokens":1}}}';
const STOP =
  '{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":40}}';

function settled(fragments: readonly string[], end: Partial<CallEnd>, format?: FormatName) {
  const ticket = { ...TICKET, ...(format !== undefined && { format }) };
  return settlementOf(ticket, readingOf(ticket.format, fragments), { ...END, ...end });
}

describe("what a call comes to", () => {
  test("is what the answer tells", () => {
    expect(settled([START, STOP], { events: 60 })).toMatchObject({
      report: { basis: "provider", outcome: "ok", usage: { input: 90, output: 40 } },
    });
  });

  test("is not what the answer tells where no call can have used that", () => {
    const told = '{"usage":{"prompt_tokens":1e308,"completion_tokens":40}}';
    expect(settled([told], {}, "openai.chat")).toMatchObject({
      report: { basis: "estimated", outcome: "ok", usage: { input: 70, output: 500 } },
    });
  });

  test("of a stream of Anthropic's that was cut is the input it told and the events that came", () => {
    expect(settled([START], { cut: "client", events: 60 })).toMatchObject({
      report: { basis: "estimated", outcome: "cancelled", usage: { input: 90, output: 60 } },
    });
    expect(settled([START], { cut: "client", events: 9_000 })).toMatchObject({
      report: { usage: { output: 500 } },
    });
    // Its text is a better measure where it was seen.
    expect(settled([START], { cut: "client", outputTokens: 33 })).toMatchObject({
      report: { basis: "estimated", outcome: "cancelled", usage: { input: 90, output: 33 } },
    });
  });

  test("is nothing where the provider refused, and what came where it was cut", () => {
    expect(settled([], { status: 429 })).toMatchObject({
      report: { basis: "estimated", outcome: "error", usage: { input: 0, output: 0 } },
    });
    // Envoy's own answer to a provider that fell silent.
    expect(settled([], { cut: "provider", status: 504 })).toMatchObject({
      report: { basis: "estimated", outcome: "error", usage: { input: 70 } },
    });
    expect(settled([], { reached: false, status: 503 })).toEqual({
      decisionId: "d1",
      kind: "cancel",
    });
  });

  test("of an event too long to keep is told by its figures alone", () => {
    const figures = '"usage":{"input_tokens":100,"output_tokens":50000}}}';
    expect(settled([figures], { events: 3 }, "openai.responses")).toMatchObject({
      report: { basis: "provider", usage: { input: 100, output: 50_000 } },
    });
  });
});
