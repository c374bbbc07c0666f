import { type Refusal, refusalDetails } from "./refusal.ts";

/** An error as OpenAI sends it; `weir` beside its own members is for programs. */
export function openAiError(refusal: Refusal): { readonly body: object } {
  const { code, kind, message } = refusal;
  return {
    body: {
      error: {
        message,
        type: TYPES[kind],
        param: null,
        code,
        weir: refusalDetails(refusal),
      },
    },
  };
}

const TYPES = {
  blocked: "permission_error",
  throttled: "rate_limit_error",
  fault: "server_error",
} as const;
