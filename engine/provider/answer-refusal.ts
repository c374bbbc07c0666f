import type { FormatName } from "./format.ts";
import { FORMATS } from "./formats.ts";
import type { Refusal } from "./refusal.ts";

/** An answer in the place of the provider's. */
export interface RefusalAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/**
 * The refusal as the provider's own error, so that its client library raises its own error type: 403
 * that is not retried, 429 with the time to wait, 503. Unknown formats get OpenAI's shape.
 */
export function answerRefusal(format: FormatName | null, refusal: Refusal): RefusalAnswer {
  const { body, headers } = FORMATS[format ?? "openai.chat"].errorBody(refusal);
  return {
    status: STATUS[refusal.kind],
    headers: { "content-type": "application/json", ...retryHeaders(refusal), ...headers },
    body: JSON.stringify(body),
  };
}

const STATUS = { blocked: 403, throttled: 429, fault: 503 } as const;

function retryHeaders({ decisionId, kind, retryAfterMs }: Refusal): Record<string, string> {
  const headers: Record<string, string> = { "x-weir-effect": EFFECT[kind] };
  if (decisionId !== "") headers["x-weir-decision-id"] = decisionId;
  if (kind === "blocked") headers["x-should-retry"] = "false";
  if (kind === "throttled" && retryAfterMs > 0) {
    headers["retry-after"] = String(Math.ceil(retryAfterMs / 1_000));
    headers["retry-after-ms"] = String(retryAfterMs);
    // Client libraries wait a minute at most and would come back early for longer ones.
    if (retryAfterMs > 60_000) headers["x-should-retry"] = "false";
  }
  return headers;
}

const EFFECT = { blocked: "block", throttled: "throttle", fault: "fault" } as const;
