import type { Bundle } from "../../../engine/policy/bundle.ts";
import type { ScopePlan } from "../../../engine/velocity/scopes.ts";
import { SeededRandom } from "../demo/random.ts";
import type { TraceCall } from "../demo/trace.ts";
import { answeringModels, CallCosts, Organisation } from "./organisation.ts";
import { closedLoop, OpenLoop, type Outcome, type Untouched } from "./replay.ts";
import { disturb, LAB_TROUBLES, type LabTrouble, loopModelOf } from "./troubles.ts";
import { WEEK_START_MS, Weeks } from "./weeks.ts";

/** What a lab is made of. */
export interface LabOptions {
  readonly trace: readonly TraceCall[];
  readonly bundle: Bundle;
  /** Floors and cold limits, the bundle's or others. */
  readonly plan: ScopePlan;
  /** The first of `runs` seeds. */
  readonly seed: number;
  readonly runs: number;
  /** Days of traffic in a run, 3 or more. */
  readonly days: number;
  /** Part of the trace's calls that is used, 0 to 1. */
  readonly share: number;
  readonly teams: number;
  readonly users: number;
  /** Which troubles are tried; absent: all. */
  readonly troubles?: readonly LabTrouble[];
}

/** One run: a seed's own organisation and weeks. */
export interface LabRun {
  readonly seed: number;
  readonly untouched: Untouched;
  readonly outcomes: Readonly<Record<LabTrouble, readonly Outcome[]>>;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const TROUBLE_MS = 2 * HOUR_MS;
/** When trouble comes, in days before the end and as a time of day: two nights and two working days. */
const TIMES = [
  { daysBefore: 6, hour: 3, minute: 18 },
  { daysBefore: 6, hour: 11, minute: 20 },
  { daysBefore: 5, hour: 15, minute: 42 },
  { daysBefore: 2, hour: 11, minute: 18 },
] as const;
/** Scopes are a day old before they trip on more than a cold limit. */
const QUIET_DAYS = 2;
/** Which teams are hit: a large, a middling and a small one. */
const PLACES = [0, 4, 14] as const;
const PLACE_SALT = 0x1f123bb5;

/**
 * Runs the trace through the velocity of the engine, as weeks of an organisation's traffic: untouched,
 * to count false trips, and with each trouble at four times and in three teams, from the state that the
 * traffic had led to. Nothing reads a clock; a seed gives the same figures on every machine.
 */
export function runLab(options: LabOptions, seed: number): LabRun {
  const { bundle, days, plan, share, trace } = options;
  const random = new SeededRandom(seed);
  const models = answeringModels(bundle);
  const organisation = new Organisation(plan, models, options, random);
  const costs = new CallCosts(bundle);
  const loopModel = loopModelOf(
    models.map(([model]) => model),
    costs,
  );
  const weeks = new Weeks(trace, organisation, costs, { seed, share });
  const open = new OpenLoop();
  const outcomes = Object.fromEntries(
    LAB_TROUBLES.map((trouble) => [trouble, [] as Outcome[]]),
  ) as Record<LabTrouble, Outcome[]>;
  let nowMs = WEEK_START_MS;
  for (const fromMs of troubleTimes(days)) {
    open.pass(weeks.between(nowMs, fromMs));
    nowMs = fromMs;
    const toMs = fromMs + TROUBLE_MS;
    const calls = [...weeks.between(fromMs, toMs)];
    for (const trouble of options.troubles ?? LAB_TROUBLES) {
      for (const at of PLACES) {
        const team = Math.min(at, organisation.teams.length - 1);
        const drawn = new SeededRandom(seed ^ PLACE_SALT ^ Math.floor(fromMs / 1_000) ^ at);
        const seat = organisation.drawSeat(team, drawn);
        const place = { costs, fromMs, loopModel, organisation, random: drawn, seat, team, toMs };
        outcomes[trouble].push(closedLoop(open.scopes, disturb(trouble, calls, place)));
      }
    }
  }
  open.pass(weeks.between(nowMs, WEEK_START_MS + days * DAY_MS));
  return { outcomes, seed, untouched: open.result };
}

function troubleTimes(days: number): readonly number[] {
  return TIMES.map(({ daysBefore, hour, minute }) => {
    const day = Math.max(QUIET_DAYS, days - daysBefore);
    return WEEK_START_MS + day * DAY_MS + hour * HOUR_MS + minute * 60_000;
  }).toSorted((one, other) => one - other);
}
