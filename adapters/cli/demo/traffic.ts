import type { SeededRandom } from "./random.ts";

/** One feature of the example organisation and how it calls models. */
export interface Feature {
  readonly tenant: string;
  readonly team: string;
  readonly feature: string;
  readonly principal: string;
  readonly costCenter: string;
  readonly environment: string;
  /** Part of the trace's calls, percent. */
  readonly share: number;
  /** Models with the weight each is asked for. */
  readonly models: readonly (readonly [string, number])[];
  readonly task: string;
  readonly sensitivity: string;
  readonly outputMax: number;
  /** Calls are made on behalf of users; a batch service has none. */
  readonly users: boolean;
  /** Steps of agent runs. */
  readonly agent?: true;
  /** Part of the admitted calls that are never reported; the others' is in reports.ts. */
  readonly unreported?: number;
  /** Warm-up only: calls a minute, and between which hours of the day, where the trace's share is not meant. */
  readonly past?: {
    readonly callsPerMinute: number;
    readonly fromHour: number;
    readonly toHour: number;
  };
}

const ACME = {
  tenant: "acme",
  environment: "prod",
  sensitivity: "internal",
  outputMax: 1_024,
  users: true,
} as const;
const SEARCH = {
  ...ACME,
  team: "search",
  principal: "search-service",
  costCenter: "cc-100",
} as const;
const SUPPORT = {
  ...ACME,
  team: "support",
  principal: "support-service",
  costCenter: "cc-200",
} as const;
const ASSISTANTS = {
  ...ACME,
  team: "assistants",
  principal: "assistants-service",
  costCenter: "cc-300",
} as const;
const RESEARCH = {
  ...ACME,
  team: "research",
  principal: "research-service",
  costCenter: "cc-400",
  users: false,
} as const;

/** Who makes the trace's calls. The trace says when and how long; this says who, for what, on which model. */
export const FEATURES = {
  answers: {
    ...SEARCH,
    feature: "answers",
    share: 20,
    task: "chat",
    models: [
      ["openai:gpt-5-mini", 60],
      ["openai:gpt-6-luna", 25],
      ["anthropic:claude-haiku-5-5", 15],
    ],
  },
  autocomplete: {
    ...SEARCH,
    feature: "autocomplete",
    share: 14,
    task: "classify",
    models: [["openai:gpt-5-nano", 1]],
  },
  tickets: {
    ...SUPPORT,
    feature: "tickets",
    share: 14,
    task: "summarize",
    sensitivity: "confidential",
    models: [["anthropic:claude-haiku-5-5", 1]],
  },
  translate: {
    ...SUPPORT,
    feature: "translate",
    share: 8,
    task: "chat",
    models: [["openai:gpt-5-mini", 1]],
  },
  copilot: {
    ...ASSISTANTS,
    feature: "copilot",
    share: 12,
    task: "code",
    outputMax: 2_048,
    models: [["anthropic:claude-sonnet-5-5", 1]],
  },
  agents: {
    ...ASSISTANTS,
    feature: "agents",
    share: 6,
    task: "code",
    models: [["openai:gpt-6.1-terra", 1]],
    agent: true,
  },
  papers: {
    ...RESEARCH,
    feature: "papers",
    share: 7.9,
    task: "summarize",
    environment: "dev",
    models: [["mistral:mistral-small-2603", 1]],
  },
  evals: {
    ...RESEARCH,
    feature: "evals",
    share: 2.1,
    task: "plan",
    models: [["anthropic:claude-fable-5-2", 1]],
  },
  // Has spent most of its day's budget by the time the trace begins.
  campaigns: {
    ...ACME,
    team: "marketing",
    feature: "campaigns",
    principal: "marketing-service",
    costCenter: "cc-500",
    users: false,
    share: 10,
    task: "plan",
    models: [["google:gemini-4-argon", 1]],
    past: { callsPerMinute: 6, fromHour: 6, toHour: 15 },
  },
  // Reports less than half of what it spends.
  codegen: {
    ...ACME,
    tenant: "globex",
    team: "platform",
    feature: "codegen",
    principal: "platform-service",
    costCenter: "gx-1",
    users: false,
    share: 6,
    task: "code",
    models: [["openai:gpt-6.1-terra", 1]],
    unreported: 0.55,
  },
} as const satisfies Readonly<Record<string, Feature>>;

const SHARES: readonly (readonly [Feature, number])[] = Object.values(FEATURES).map(
  (feature: Feature) => [feature, feature.share] as const,
);

/** The feature that makes a call of ordinary traffic. */
export function drawFeature(random: SeededRandom): Feature {
  return random.weighted(SHARES);
}

/** Every principal that sends calls. */
export const PRINCIPALS: readonly string[] = [
  ...new Set(Object.values(FEATURES).map(({ principal }) => principal)),
];
