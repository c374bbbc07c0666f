import type { Refusal } from "./refusal.ts";

/** An error as OpenAI sends it; `weir` beside its own members is for programs. */
export function openAiError(refusal: Refusal): { readonly body: object } {
  const { code, decisionId, details, kind, message, retryAfterMs } = refusal;
  return {
    body: {
      error: {
        message,
        type: TYPES[kind],
        param: null,
        code,
        weir: { ...details, code, decision_id: decisionId, retry_after_ms: retryAfterMs },
      },
    },
  };
}

const TYPES = {
  blocked: "permission_error",
  throttled: "rate_limit_error",
  fault: "server_error",
} as const;
