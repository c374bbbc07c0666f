import { describe, expect, it } from "vitest";
import type { Decision } from "../../engine/decision/decision.ts";
import { decisionOf } from "../../test/support/decision.ts";
import { renderDecision } from "./render-decision.ts";
import { showsColor } from "./terminal.ts";

const REASON = {
  code: "budget.exhausted",
  rule: "Budget exhausted",
  severity: "error",
  message: "budget search-day has $0.00 left",
  params: {},
} as const;

const plain = (change: Partial<Decision> = {}): string =>
  renderDecision(decisionOf(change), { color: false });

describe("renderDecision", () => {
  it("shows an allow whole", () => {
    expect(plain()).toBe(
      [
        "ALLOW  openai:gpt-5-mini",
        "  cost         $0.00095 expected, $0.00125 at most",
        "  held until   2025-11-25T12:02:00.000Z (2 min), unless reported before",
        "  decision     d1",
        "  bundle       starter-1, abababababab",
        "",
        "next: call openai:gpt-5-mini, then report its usage for decision d1",
      ].join("\n"),
    );
  });

  it("shows a reroute with both models and its obligations", () => {
    const text = plain({
      effect: "reroute",
      model: "b:small",
      obligations: { max_output_tokens: 512, strip: ["tools"], headers: { "x-tier": "flex" } },
    });
    expect(text).toContain("REROUTE  openai:gpt-5-mini → b:small");
    expect(text).toContain("obligations  at most 512 output tokens");
    expect(text).toContain("without tools");
    expect(text).toContain("header x-tier: flex");
    expect(text).toContain(
      "next: call b:small instead of openai:gpt-5-mini under the obligations above",
    );
  });

  it("shows a throttle with its wait", () => {
    const text = plain({ effect: "throttle", model: "", retryAfterMs: 30_000, expiresAtMs: 0 });
    expect(text).toContain("THROTTLE  openai:gpt-5-mini");
    expect(text).toContain("retry        in 30 s");
    expect(text).toContain("next: wait 30 s");
    expect(text).not.toContain("held until");
  });

  it("shows a block with its reasons", () => {
    const text = plain({ effect: "block", model: "", reasons: [REASON], expiresAtMs: 0 });
    expect(text).toContain("why          budget.exhausted  budget search-day has $0.00 left");
    expect(text).toContain("(nothing is held)");
    expect(text).toContain("next: do not call");
  });

  it("says what is out of the ordinary", () => {
    expect(plain({ mode: "shadow", wouldBe: "block" })).toContain("(shadow: would be block)");
    expect(plain({ replayed: true })).toContain("d1 (the same answer as before)");
    expect(plain({ admission: "open" })).toContain("no budget was checked");
    expect(plain({ reasons: [{ ...REASON, shadow: true }] })).toContain(
      "(in shadow: did not count)",
    );
    expect(plain({ estimate: { ...decisionOf().estimate, priced: false } })).toContain(
      "cost         unknown",
    );
  });

  it("colours only when told, and never passes on what a terminal obeys", () => {
    const message = "budget \u001b[2J\u0007gone";
    const text = plain({ reasons: [{ ...REASON, message }] });
    expect(text).not.toContain("\u001b");
    expect(text).not.toContain("\u0007");
    expect(renderDecision(decisionOf(), { color: true })).toContain("\u001b[32mALLOW");
  });
});

describe("colour", () => {
  it("goes to a terminal that wants it", () => {
    expect(showsColor(true, {})).toBe(true);
    expect(showsColor(true, { NO_COLOR: "" })).toBe(true);
    expect(showsColor(true, { NO_COLOR: "1" })).toBe(false);
    expect(showsColor(true, { TERM: "dumb" })).toBe(false);
    expect(showsColor(undefined, {})).toBe(false);
  });
});
