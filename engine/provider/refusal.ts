/** Why a call does not go to the provider, as its caller is told. */
export interface Refusal {
  readonly kind: "blocked" | "throttled" | "fault";
  /** One line for people, see `refusalMessage`. */
  readonly message: string;
  /** Code of the first reason ("budget.exhausted"), or of the fault ("state.unavailable"). */
  readonly code: string;
  /** "" where nothing was decided. */
  readonly decisionId: string;
  /** How long to wait, ms; 0 where waiting does not help. */
  readonly retryAfterMs: number;
  /** Further facts for programs: rule, budget, resets_at_ms, remedy, … */
  readonly details: Readonly<Record<string, string>>;
}

/** What every format says beside its own members, for programs. */
export function refusalDetails({ code, decisionId, details, retryAfterMs }: Refusal): object {
  return { ...details, code, decision_id: decisionId, retry_after_ms: retryAfterMs };
}

/** A reason of a decision, as far as a refusal tells it. */
export interface RefusalReason {
  readonly code: string;
  readonly rule: string;
  readonly message: string;
  readonly params: Readonly<Record<string, string | number | boolean>>;
  /** Present where the reason did not count. */
  readonly shadow?: boolean;
  readonly waiver?: string;
}

/** A decision that refuses, as far as a refusal tells it. */
export interface RefusedDecision {
  readonly id: string;
  readonly effect: "block" | "throttle";
  /** Most severe first. */
  readonly reasons: readonly RefusalReason[];
  readonly retryAfterMs: number;
  readonly decidedAtMs: number;
}

/** The refusal that tells of a decision: rule, budget, reset time, what helps, decision id. */
export function refusalOf(decision: RefusedDecision): Refusal {
  const { decidedAtMs, effect, id, retryAfterMs } = decision;
  const reason = decision.reasons.find(
    ({ shadow, waiver }) => shadow !== true && waiver === undefined,
  );
  const code = reason?.code ?? `policy.${effect}`;
  const details: Record<string, string> = {
    rule: reason?.rule ?? "",
    remedy: remedyFor(code, effect),
  };
  const { budget, resets_in_ms: resetsInMs } = reason?.params ?? {};
  if (budget !== undefined) details["budget"] = String(budget);
  if (Number(resetsInMs) > 0) {
    details["resets_at"] = new Date(decidedAtMs + Number(resetsInMs)).toISOString();
  }
  const resets = details["resets_at"] === undefined ? "" : `, resets at ${details["resets_at"]}`;
  const verb = effect === "block" ? "blocked" : "throttled";
  const why = reason?.message ?? "the policy gives no reason";
  const wait = retryAfterMs > 0 ? `; try again in ${retryAfterMs} ms` : "";
  const message = `${verb} by weir: ${why} (rule ${code}${resets})${wait}; ${details["remedy"]}; decision ${id}`;
  return { kind: verb, code, decisionId: id, details, message, retryAfterMs };
}

/** What helps, by the first word of the code. */
const REMEDIES: Readonly<Record<string, string>> = {
  agent: "end the run or start a new one with a smaller task",
  attribution: "send the missing attribution with the call",
  authorization: "ask the owner of the policy to allow this model for the team",
  budget: "wait for the budget to reset or ask an operator for a grant",
  freeze: "ask the operator who set the freeze",
  hours: "wait for the hours in which such calls run",
  retry: "wait longer between tries",
  sensitivity: "use a model cleared for this data",
  velocity: "send fewer calls",
};

function remedyFor(code: string, effect: "block" | "throttle"): string {
  const [concern = ""] = code.split(".");
  const known = Object.hasOwn(REMEDIES, concern) ? REMEDIES[concern] : undefined;
  return known ?? (effect === "throttle" ? "wait" : "ask the owner of the policy");
}

/** The refusal of a call that could not be decided. */
export function faultRefusal(code: string, message: string): Refusal {
  return { kind: "fault", code, message, decisionId: "", retryAfterMs: 0, details: {} };
}
