import type { SeededRandom } from "../demo/random.ts";
import type { CallCosts, Organisation, Seat } from "./organisation.ts";
import type { LabCall } from "./weeks.ts";

/** Whom a trouble befalls and when. */
export interface Place {
  readonly organisation: Organisation;
  readonly costs: CallCosts;
  readonly team: number;
  /** The user of an agent loop, and its model. */
  readonly seat: Seat;
  readonly loopModel: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly random: SeededRandom;
}

/** Ordinary calls to calls with the trouble in them, in order. */
type Disturb = (calls: readonly LabCall[], place: Place) => readonly LabCall[];

const BURST = 20;
const RETRIES = 4;
const RETRY_MS = 100;
const PRICE = 15;
const PROMPT = 4;
const RAMP_DOUBLES_MS = 600_000;
const RAMP_MOST = 64;
/** How far behind its model the extra calls of a burst are spread. */
const SPREAD_MS = 10_000;
const LOOP_STEP_MS = 2_000;
const LOOP_INPUT_TOKENS = 4_000;
/** A loop drags its own past along, until its window is full. */
const LOOP_GROWTH_TOKENS = 500;
const LOOP_INPUT_TOKENS_MAX = 100_000;
const LOOP_OUTPUT_TOKENS = 400;

/** Agents run on large models: one dearer than three quarters of those given. */
export function loopModelOf(models: readonly string[], costs: CallCosts): string {
  const price = (model: string) => costs.of(model, LOOP_INPUT_TOKENS, LOOP_OUTPUT_TOKENS);
  const sorted = models.toSorted((one, other) => price(one) - price(other));
  return sorted[Math.floor((sorted.length * 3) / 4)] as string;
}

const TROUBLES = {
  burst_20x: {
    what: "a team's calls at 20 times their number",
    disturb: (calls, place) => multiplied(calls, place, () => BURST),
  },
  agent_loop: { what: "one agent of one user that steps every 2 s, ever longer", disturb: looped },
  retry_storm: { what: "every call of a team tried four more times at once", disturb: retried },
  price_15x: {
    what: "a team's calls at 15 times their price",
    disturb: (calls, { team }) =>
      calls.map((call) =>
        call.seat.team === team ? dearer(call, call.costNanoUsd * PRICE) : call,
      ),
  },
  prompt_4x: {
    what: "a team's calls with four times their input",
    disturb: (calls, { costs, team }) =>
      calls.map((call) =>
        call.seat.team === team
          ? dearer(call, costs.of(call.model, call.inputTokens * PROMPT, call.outputTokens))
          : call,
      ),
  },
  ramp: {
    what: "a team's calls doubling every 10 minutes",
    disturb: (calls, place) =>
      multiplied(calls, place, (atMs) =>
        Math.min(RAMP_MOST, 2 ** ((atMs - place.fromMs) / RAMP_DOUBLES_MS)),
      ),
  },
} as const satisfies Readonly<Record<string, { readonly what: string; readonly disturb: Disturb }>>;

export type LabTrouble = keyof typeof TROUBLES;
export const LAB_TROUBLES = Object.keys(TROUBLES) as readonly LabTrouble[];

/** What the trouble is, in words. */
export function describeTrouble(trouble: LabTrouble): string {
  return TROUBLES[trouble].what;
}

/** The calls of a stretch of time with one trouble in them, in order. */
export function disturb(
  trouble: LabTrouble,
  calls: readonly LabCall[],
  place: Place,
): readonly LabCall[] {
  const disturbed = TROUBLES[trouble].disturb(calls, place);
  return disturbed.toSorted((one, other) => one.atMs - other.atMs);
}

function dearer(call: LabCall, costNanoUsd: number): LabCall {
  return { ...call, costNanoUsd, excessNanoUsd: costNanoUsd - call.costNanoUsd };
}

/** Each of the team's calls as often as the factor says, the others by other users of the team. */
function multiplied(
  calls: readonly LabCall[],
  { organisation, random, team, toMs }: Place,
  factorAt: (atMs: number) => number,
): readonly LabCall[] {
  return calls.flatMap((call) => {
    if (call.seat.team !== team) return [call];
    const extra = Math.floor(factorAt(call.atMs) - 1 + random.next());
    const copies = Array.from({ length: extra }, () => ({
      ...call,
      atMs: Math.min(toMs - 1, call.atMs + random.below(SPREAD_MS)),
      excessNanoUsd: call.costNanoUsd,
      seat: organisation.drawSeat(team, random),
    }));
    return [call, ...copies];
  });
}

function retried(calls: readonly LabCall[], { team }: Place): readonly LabCall[] {
  return calls.flatMap((call) => {
    if (call.seat.team !== team) return [call];
    const retries = Array.from({ length: RETRIES }, (_one, place) => ({
      ...call,
      atMs: call.atMs + (place + 1) * RETRY_MS,
      excessNanoUsd: call.costNanoUsd,
    }));
    return [call, ...retries];
  });
}

function looped(calls: readonly LabCall[], place: Place): readonly LabCall[] {
  const { costs, fromMs, loopModel, seat, toMs } = place;
  const steps: LabCall[] = [];
  for (let atMs = fromMs; atMs < toMs; atMs += LOOP_STEP_MS) {
    const grown = LOOP_INPUT_TOKENS + steps.length * LOOP_GROWTH_TOKENS;
    const inputTokens = Math.min(LOOP_INPUT_TOKENS_MAX, grown);
    const costNanoUsd = costs.of(loopModel, inputTokens, LOOP_OUTPUT_TOKENS);
    steps.push({
      atMs,
      costNanoUsd,
      excessNanoUsd: costNanoUsd,
      inputTokens,
      model: loopModel,
      outputTokens: LOOP_OUTPUT_TOKENS,
      seat,
    });
  }
  return [...calls, ...steps];
}
