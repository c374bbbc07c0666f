import type { RawIntent } from "../../../engine/intent/intent.ts";
import type { SeededRandom } from "./random.ts";
import { type Feature, FEATURES } from "./traffic.ts";

/** What is wrong with a call. */
export type Trouble = keyof typeof SINGLE | (typeof SPANS)[number]["trouble"];

/** How many times its ordinary share the burst takes. */
export const BURST_FACTOR = 20;

/** Trouble that lasts: the part of all calls in which it goes on, and its share of the calls there. */
export const SPANS = [
  { trouble: "agent_loop", from: 0.2, to: 0.32, share: 1 / 6 },
  { trouble: "retry_storm", from: 0.38, to: 0.5, share: 1 / 3 },
  { trouble: "burst", from: 0.6, to: 0.8, share: (BURST_FACTOR * FEATURES.evals.share) / 100 },
] as const;

/** A call in trouble of its own. */
interface Single {
  /** Part of the calls outside the spans' own, percent. */
  readonly share: number;
  readonly feature: Feature;
  readonly change: Partial<RawIntent>;
  /** Who sends it, if not the feature's own service. */
  readonly principal?: string;
}

const SINGLE = {
  /** A frontier model for a task that the smallest can do. */
  overkill: {
    share: 4,
    feature: FEATURES.answers,
    change: { model: "openai:gpt-6.1-sol", task: "classify" },
  },
  /** Confidential data to a model whose contract covers internal data only. */
  confidential: {
    share: 3,
    feature: FEATURES.tickets,
    change: { model: "openai:gpt-5-mini" },
  },
  /** Patient data to a model whose contract excludes it. */
  patient_data: {
    share: 1,
    feature: FEATURES.tickets,
    change: { data: { classes: ["phi"] } },
  },
  /** Data that must stay in a country none of the models is served from. */
  residency: {
    share: 0.5,
    feature: FEATURES.tickets,
    change: { data: { residency: "ch" } },
  },
  unknown_model: {
    share: 1,
    feature: FEATURES.papers,
    change: { model: "openai:gpt-7-preview" },
  },
  /** A model that the team holds no grant for. */
  no_grant: {
    share: 0.5,
    feature: FEATURES.autocomplete,
    change: { model: "google:gemini-3.1-flash-lite" },
  },
  /** Production calls without a cost center. */
  unattributed: {
    share: 1,
    feature: FEATURES.answers,
    change: { attribution: { costCenter: "" } },
  },
  /** One service that says it is another team's. */
  impostor: {
    share: 1,
    feature: FEATURES.papers,
    change: {},
    principal: FEATURES.campaigns.principal,
  },
  /** Agents that call agents that call agents. */
  too_deep: {
    share: 0.5,
    feature: FEATURES.agents,
    change: { run: { id: "run-deep", step: 1, depth: 9, fingerprint: "" } },
  },
  /** An experiment that asks for longer answers than its environment gives. */
  long_answer: {
    share: 1.5,
    feature: FEATURES.papers,
    change: { tokens: { outputMax: 4_096 } },
  },
} as const satisfies Readonly<Record<string, Single>>;

/** Draws whether a call is in trouble of its own, and which; null: it is an ordinary one. */
export function drawTrouble(random: SeededRandom): (Single & { readonly trouble: Trouble }) | null {
  let left = random.next() * 100;
  for (const [trouble, single] of Object.entries(SINGLE)) {
    left -= single.share;
    if (left < 0) return { ...single, trouble: trouble as Trouble };
  }
  return null;
}
