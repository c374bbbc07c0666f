import type { Trial } from "./trial.ts";

/** One call of a trial, as it would be typed. */
export interface TrialCall {
  readonly title: string;
  readonly principal: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Readonly<Record<string, unknown>>;
  /** Sent so many times; only the last is shown. */
  readonly times: number;
}

const SEARCH = {
  "x-weir-cost-center": "cc-100",
  "x-weir-environment": "prod",
  "x-weir-feature": "answers",
  "x-weir-service": "search-api",
  "x-weir-task": "chat",
};
const SUPPORT = {
  "x-weir-cost-center": "cc-200",
  "x-weir-environment": "prod",
  "x-weir-feature": "triage",
  "x-weir-service": "ticket-router",
  "x-weir-task": "classify",
};
const CHAT = "/openai/v1/chat/completions";
const chat = (model: string, content: string, rest: object = {}) => ({
  model,
  messages: [{ role: "user", content }],
  max_completion_tokens: 60,
  ...rest,
});

/** A call for each effect, and a stream. */
export const TRIAL_CALLS: readonly TrialCall[] = [
  {
    title: "allow: within budget and policy",
    principal: "search-service",
    path: CHAT,
    headers: SEARCH,
    body: chat("gpt-5-mini", "What is a weir?"),
    times: 1,
  },
  {
    title: "allow, streamed, at another provider: the figures come with the stream",
    principal: "search-service",
    path: "/anthropic/v1/messages",
    headers: SEARCH,
    body: {
      model: "claude-haiku-5-5",
      max_tokens: 60,
      stream: true,
      messages: [{ role: "user", content: "What is a weir?" }],
    },
    times: 1,
  },
  {
    title: "reroute: a frontier model is asked for a task that a small one does as well",
    principal: "support-service",
    path: CHAT,
    headers: SUPPORT,
    body: chat("gpt-6.1-sol", "Is this a refund request? Yes or no."),
    times: 1,
  },
  {
    title: "block: a model that nobody has approved",
    principal: "search-service",
    path: CHAT,
    headers: SEARCH,
    body: chat("gpt-9", "What is a weir?"),
    times: 1,
  },
  {
    title: "throttle: a client retries again and again; its 25th try in a row",
    principal: "support-service",
    path: CHAT,
    headers: { ...SUPPORT, "x-stainless-retry-count": "1", "x-weir-task": "chat" },
    body: chat("gpt-5-mini", "Again."),
    times: 25,
  },
];

/** What a client got. */
export interface TrialAnswer {
  readonly status: number;
  readonly effect: string;
  readonly decisionId: string;
  readonly model: string;
  readonly retryAfterMs: string;
  readonly body: string;
}

/** Sends one call as a client would. */
export async function sendTrialCall(trial: Trial, call: TrialCall): Promise<TrialAnswer> {
  const response = await fetch(trial.base + call.path, {
    body: JSON.stringify(call.body),
    headers: {
      authorization: `Bearer ${trial.keyOf(call.principal)}`,
      "content-type": "application/json",
      ...call.headers,
    },
    method: "POST",
  });
  const header = (name: string): string => response.headers.get(name) ?? "";
  return {
    body: await response.text(),
    decisionId: header("x-weir-decision-id"),
    effect: header("x-weir-effect"),
    model: header("x-weir-model"),
    retryAfterMs: header("retry-after-ms"),
    status: response.status,
  };
}
