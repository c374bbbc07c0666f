import type { Bundle } from "../../../engine/policy/bundle.ts";
import { postedNanoUsd, safeNumber } from "../../../engine/money.ts";
import { priceUsage } from "../../../engine/pricing/actual.ts";
import type { Rates } from "../../../engine/pricing/rates.ts";
import { WeirError } from "../../../engine/errors.ts";
import type { ScopeCharge } from "../../../engine/reservation/reservation.ts";
import { matchScopes, type ScopePlan } from "../../../engine/velocity/scopes.ts";
import type { SeededRandom } from "../demo/random.ts";

/** Somebody who makes calls: one user of one feature of one team. */
export interface Seat {
  readonly team: number;
  readonly feature: string;
  readonly user: string;
  /** Scopes a call on a model counts in. */
  scopes(model: string): readonly ScopeCharge[];
}

interface Team {
  readonly seats: readonly Seat[];
  readonly cumulative: Float64Array;
  /** The model of most calls, and the one of the others. */
  readonly models: readonly [string, string];
}

const SECOND_MODEL = 0.2;
const FEATURES_PER_TEAM = 2;
/** Models of the middle are called more often than the smallest and the largest. */
const TIER_WEIGHT: Readonly<Record<number, number>> = { 1: 1, 2: 2, 3: 3, 4: 2 };

/**
 * Teams and users by Zipf's law: the n-th makes a share of the calls in proportion to 1/n. Each team
 * has two features, its users, and two models of the bundle, which a seed draws.
 */
export class Organisation {
  readonly teams: readonly Team[];
  readonly #cumulative: Float64Array;

  constructor(
    plan: ScopePlan,
    models: readonly (readonly [string, number])[],
    size: { readonly teams: number; readonly users: number },
    random: SeededRandom,
  ) {
    const shares = zipf(size.teams);
    this.#cumulative = cumulate(shares);
    let users = 0;
    this.teams = [...shares].map((share, team) => {
      const count = Math.max(1, Math.round(share * size.users));
      const seats = Array.from({ length: count }, (_one, place) =>
        seatOf(plan, team, place % FEATURES_PER_TEAM, users + place),
      );
      users += count;
      return {
        cumulative: cumulate(zipf(count)),
        models: [random.weighted(models), random.weighted(models)],
        seats,
      };
    });
  }

  drawTeam(random: SeededRandom): number {
    return pick(this.#cumulative, random);
  }

  drawSeat(team: number, random: SeededRandom): Seat {
    const { cumulative, seats } = this.teams[team] as Team;
    return seats[pick(cumulative, random)] as Seat;
  }

  drawModel(team: number, random: SeededRandom): string {
    return (this.teams[team] as Team).models[random.chance(SECOND_MODEL) ? 1 : 0];
  }
}

function seatOf(plan: ScopePlan, team: number, place: number, number: number): Seat {
  const name = `team-${String(team + 1).padStart(2, "0")}`;
  const feature = `${name}-feature-${place + 1}`;
  const user = `user-${String(number + 1).padStart(3, "0")}`;
  const attribution = {
    cost_center: `cc-${team + 1}`,
    customer: "",
    environment: "prod",
    feature,
    service: name,
    team: name,
    user,
  };
  const known = new Map<string, readonly ScopeCharge[]>();
  return {
    team,
    feature,
    user,
    scopes: (model) => {
      let scopes = known.get(model);
      if (scopes === undefined) {
        scopes = matchScopes(plan, { attribution, run: { id: "" }, tenant: "lab" }, model);
        known.set(model, scopes);
      }
      return scopes;
    },
  };
}

/** Models of the bundle that answer, have a price and are called by the lab, with their weights. */
export function answeringModels(bundle: Bundle): readonly (readonly [string, number])[] {
  const nowMs = pricedAtMs(bundle);
  const models = Object.entries(bundle.data.models)
    .filter(([, { operations }]) => operations.includes("chat"))
    .filter(([id]) => bundle.pricing.priceBook.rates(id, "standard", nowMs) !== null)
    .map(([id, { tier }]) => [id, TIER_WEIGHT[tier] ?? 1] as const);
  if (models.length > 0) return models;
  throw new WeirError("config.invalid", "no model of the bundle answers and has a price");
}

/** What calls cost, nano-USD, at the latest prices of the bundle. */
export class CallCosts {
  readonly #rates = new Map<string, Rates>();
  readonly #bundle: Bundle;
  readonly #nowMs: number;

  constructor(bundle: Bundle) {
    this.#bundle = bundle;
    this.#nowMs = pricedAtMs(bundle);
  }

  of(model: string, input: number, output: number): number {
    const usage = { cacheRead: 0, cacheWrite1h: 0, cacheWrite5m: 0, input, output, reasoning: 0 };
    return safeNumber(postedNanoUsd(priceUsage(usage, this.#ratesOf(model)).costPicoUsd));
  }

  #ratesOf(model: string): Rates {
    let rates = this.#rates.get(model);
    if (rates === undefined) {
      rates = this.#bundle.pricing.priceBook.rates(model, "standard", this.#nowMs) as Rates;
      this.#rates.set(model, rates);
    }
    return rates;
  }
}

/** A day on which every price of the book is known: the latest that one takes effect. */
function pricedAtMs(bundle: Bundle): number {
  return Math.max(0, ...bundle.data.prices.rows.map(({ from }) => Date.parse(`${from}T00:00Z`)));
}

function zipf(count: number): Float64Array {
  const weights = Float64Array.from({ length: count }, (_one, place) => 1 / (place + 1));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

function cumulate(shares: Float64Array): Float64Array {
  let sum = 0;
  return shares.map((share) => (sum += share));
}

function pick(cumulative: Float64Array, random: SeededRandom): number {
  const drawn = random.next();
  let [low, high] = [0, cumulative.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (drawn < (cumulative[middle] as number)) high = middle;
    else low = middle + 1;
  }
  return low;
}
