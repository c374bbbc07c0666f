import { type RawIntent, SENSITIVITIES } from "../intent/intent.ts";
import { parseIntent } from "../intent/parse.ts";
import type { Bundle } from "../policy/bundle.ts";
import type { ScopeSnapshot, Snapshot } from "../reservation/reservation.ts";
import { inputText, type Option, planOption } from "./judge.ts";

/** A policy input that a call of the bundle's own teams and models would lead to. */
export interface SampleInput {
  /** "acme/search on openai:gpt-5-mini, internal data": what tells it apart. */
  readonly name: string;
  readonly text: string;
}

/**
 * Policy inputs without end, drawn from a bundle's own teams and models: every team with every model,
 * data of every sensitivity, budgets that fit and do not, first calls and steps of runs, a state that
 * is lost. Touches no state; the same bundle and time give the same inputs.
 */
export function* sampleInputs(bundle: Bundle, nowMs: number): Generator<SampleInput> {
  const models = Object.keys(bundle.data.models);
  const teams = Object.entries(bundle.data.teams);
  for (let count = 0; models.length > 0; count += 1) {
    const model = models[count % models.length] ?? "";
    const [team, owner] = teams[count % Math.max(teams.length, 1)] ?? ["", { tenant: "-" }];
    const sensitivity = SENSITIVITIES[Math.floor(count / models.length) % SENSITIVITIES.length];
    const raw = intentOf(count, { model, sensitivity: sensitivity ?? "internal", team, ...owner });
    const intent = parseIntent(raw, "sample");
    const asked = planOption(intent, bundle, model, nowMs);
    const snapshot = snapshotOf(count, asked);
    const context = {
      asked,
      bundle,
      decisionId: "",
      forced: false,
      held: true,
      intent,
      mode: "enforce" as const,
      nowMs,
      snapshot,
      stateSequence: 0,
    };
    yield {
      name: `${owner.tenant}/${team} on ${model}, ${sensitivity} data`,
      text: inputText(context, asked, snapshot),
    };
  }
}

const QUIET_SCOPE: ScopeSnapshot = {
  callCost: { armed: false, excess: 0, hot: false, limit: 1, retryAfterMs: 0, usual: 0 },
  hot: false,
  inFlight: 0,
  retryAfterMs: 0,
  windows: [],
};

interface Drawn {
  readonly model: string;
  readonly sensitivity: string;
  readonly team: string;
  readonly tenant: string;
}

function intentOf(count: number, { model, sensitivity, team, tenant }: Drawn): RawIntent {
  return {
    attribution: { team, tenant },
    data: { sensitivity },
    id: "sample",
    model,
    operation: "chat",
    tokens: { input: 1_000, outputMax: 500 },
    ...(count % 5 === 4 && { run: { depth: 1, id: "sample", step: count % 7 } }),
  };
}

function snapshotOf(count: number, asked: Option): Snapshot | null {
  if (count % 23 === 22) return null;
  const fits = count % 11 !== 10;
  return {
    budgets: asked.holds.map(() => ({ fits, used: 0n })),
    freezes: [],
    run:
      count % 5 === 4
        ? { children: 0, repeats: 0, siblings: 0, spentNanoUsd: 0, steps: count % 7 }
        : null,
    scopes: asked.scopes.map(() => QUIET_SCOPE),
    unreported: { ended: 0, expired: 0 },
  };
}
