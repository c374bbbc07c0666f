import { parseIntent } from "../intent/parse.ts";
import type { Bundle } from "../policy/bundle.ts";
import type { ScopeSnapshot, Snapshot } from "../reservation/reservation.ts";
import { inputText, planOption } from "./judge.ts";

/** After so many evaluations a module runs at its full speed; the first ones take twice as long. */
const EVALUATIONS = 800;

const QUIET: Omit<Snapshot, "budgets" | "scopes"> = {
  freezes: [],
  run: null,
  unreported: { ended: 0, expired: 0 },
};

/**
 * Evaluates a bundle on calls of its own teams and models, so that its first decisions are not its
 * slowest. Touches no state; takes about a tenth of a second.
 */
export function warmUp(bundle: Bundle, nowMs: number): void {
  const models = Object.keys(bundle.data.models);
  const teams = Object.entries(bundle.data.teams);
  for (let count = 0; count < EVALUATIONS && models.length > 0; count += 1) {
    const model = models[count % models.length] ?? "";
    const [team, { tenant }] = teams[count % Math.max(teams.length, 1)] ?? ["", { tenant: "-" }];
    const raw = { attribution: { team, tenant }, id: "warm-up", model, operation: "chat" };
    const intent = parseIntent({ ...raw, tokens: { input: 1_000, outputMax: 500 } }, "warm-up");
    const asked = planOption(intent, bundle, model, nowMs);
    const snapshot: Snapshot = {
      ...QUIET,
      budgets: asked.holds.map(() => ({ fits: true, used: 0n })),
      scopes: asked.scopes.map(() => QUIET_SCOPE),
    };
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
    bundle.policy.evaluate(inputText(context, asked, snapshot));
  }
}

const QUIET_SCOPE: ScopeSnapshot = {
  callCost: { armed: false, excess: 0, hot: false, limit: 1, retryAfterMs: 0, usual: 0 },
  hot: false,
  inFlight: 0,
  retryAfterMs: 0,
  windows: [],
};
