import type { RawIntent } from "../../engine/intent/intent.ts";
import type { RawReport } from "../../engine/ledger/report.ts";
import { LIMITS } from "../../engine/limits.ts";
import type { Bundle } from "../../engine/policy/bundle.ts";
import type { BundleData, VelocityScopeData } from "../../engine/policy/bundle-data.ts";
import type { BundleSource } from "../../engine/ports.ts";
import { planBudgets } from "../../engine/reservation/budgets.ts";
import { planScopes } from "../../engine/velocity/scopes.ts";
import { type Encodable, weir } from "../../proto/gen/weir.js";

/** Who calls in the example organisation, and on which model the calls of a chat are plainly allowed. */
const TEAMS = [
  { costCenter: "cc-100", model: "openai:gpt-5-mini", team: "search", tenant: "acme" },
  { costCenter: "cc-200", model: "anthropic:claude-haiku-5-5", team: "support", tenant: "acme" },
  { costCenter: "cc-300", model: "openai:gpt-6-luna", team: "assistants", tenant: "acme" },
  { costCenter: "cc-400", model: "mistral:mistral-small-2603", team: "research", tenant: "acme" },
  { costCenter: "gx-1", model: "openai:gpt-5-mini", team: "platform", tenant: "globex" },
] as const;
const FEATURES = ["answers", "suggest", "digest", "triage"] as const;
const USERS = 200;
const STEPS_PER_RUN = 10;

/** The `index`-th call of ordinary traffic over teams, features and users; a fifth are agent steps. */
export function intentOf(index: number, change: Partial<RawIntent> = {}): RawIntent {
  const { model, ...payer } = TEAMS[index % TEAMS.length] as (typeof TEAMS)[number];
  const group = Math.floor(index / TEAMS.length);
  const feature = FEATURES[group % FEATURES.length] as string;
  const runs = group % 5 === 0;
  return {
    attribution: {
      ...payer,
      environment: "prod",
      feature,
      service: `${payer.team}-api`,
      user: `user-${(index * 7) % USERS}`,
    },
    data: { sensitivity: "internal" },
    id: `call-${index}`,
    model,
    operation: "chat",
    run: runs ? runOf(index, group) : undefined,
    task: "chat",
    tokens: { input: 400 + ((index * 37) % 2_400), outputMax: 500 },
    ...change,
  };
}

function runOf(index: number, group: number) {
  const lane = index % TEAMS.length;
  const step = Math.floor(group / 5);
  return {
    fingerprint: `step-${step % STEPS_PER_RUN}`,
    id: `run-${lane}-${Math.floor(step / STEPS_PER_RUN)}`,
    step: step % STEPS_PER_RUN,
  };
}

/** A call whose task needs less than the model it asks for: the policy names alternatives. */
export function overkillOf(index: number): RawIntent {
  return intentOf(index * TEAMS.length, { model: "openai:gpt-6.1-sol", task: "classify" });
}

/** A call wrong in several ways: its payer, its model and its data. */
export function wrongOf(index: number): RawIntent {
  return intentOf(index * TEAMS.length, {
    attribution: {
      costCenter: "cc-999",
      environment: "prod",
      feature: "",
      service: "search-api",
      team: "search",
      tenant: "acme",
      user: `user-${index % USERS}`,
    },
    data: { sensitivity: "restricted" },
    model: "google:gemini-4-argon",
  });
}

/** What the `index`-th call turned out to have used. */
export function reportOf(index: number, decisionId: string): RawReport {
  return {
    basis: "provider",
    decisionId,
    final: true,
    outcome: "ok",
    sequence: 1,
    usage: {
      cacheRead: 100,
      input: 400 + ((index * 37) % 2_400),
      output: 80 + ((index * 13) % 400),
    },
  };
}

/** The same call as a message on the wire. */
export function messageOf(index: number): Encodable<weir.v1.Intent> {
  return {
    ...intentOf(index),
    data: { sensitivity: weir.v1.Sensitivity.SENSITIVITY_INTERNAL },
    operation: weir.v1.Operation.OPERATION_CHAT,
  } as Encodable<weir.v1.Intent>;
}

/** The bundle with limits that a benchmark does not exhaust; everything else is as shipped. */
export function roomy(source: BundleSource): BundleSource {
  const shipped = source.current();
  const data = roomyData(shipped.data);
  const bundle: Bundle = {
    ...shipped,
    budgets: planBudgets(data.budgets),
    data,
    scopes: planScopes(data.velocity),
  };
  return {
    byDigest: (digest) => (digest === bundle.digest ? bundle : source.byDigest(digest)),
    current: () => bundle,
  };
}

/** The same, of data alone. */
export function roomyData(data: BundleData): BundleData {
  return {
    ...data,
    budgets: data.budgets.map((budget) => ({
      ...budget,
      limit: Math.min(budget.limit * ROOM, LIMITS.budgetMicroUsd),
    })),
    velocity: {
      ...data.velocity,
      scopes: Object.fromEntries(
        Object.entries(data.velocity.scopes).map(([kind, scope]) => [kind, widen(scope)]),
      ),
    },
  };
}

const ROOM = 10_000;

function widen(scope: VelocityScopeData): VelocityScopeData {
  const wide = (micro: number) => Math.min(micro * ROOM, LIMITS.priceMicroUsd);
  const windows = Object.entries(scope.windows).map(([name, window]) => [
    name,
    {
      ...window,
      cold_micro_usd: window.cold_micro_usd === null ? null : wide(window.cold_micro_usd),
      floor_micro_usd: wide(window.floor_micro_usd),
    },
  ]);
  return { windows: Object.fromEntries(windows) as VelocityScopeData["windows"] };
}
