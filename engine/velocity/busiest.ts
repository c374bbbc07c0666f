import type { ScopeStatus } from "../reservation/reservation.ts";

/**
 * The scopes an operator wants to see first: hot ones, then by the share of its limit that a scope's
 * busiest window or its cost per call has reached, then by rate. Scopes at rest are left out. Every store sorts by this.
 */
export function busiest(scopes: readonly ScopeStatus[], top: number): readonly ScopeStatus[] {
  return scopes
    .filter(isBusy)
    .map((scope) => ({ scope, ...weigh(scope) }))
    .toSorted(
      (one, other) =>
        Number(other.hot) - Number(one.hot) ||
        other.share - one.share ||
        other.rate - one.rate ||
        (one.scope.scope < other.scope.scope ? -1 : 1),
    )
    .slice(0, top)
    .map(({ scope }) => scope);
}

function isBusy({ callCost, inFlight, windows }: ScopeStatus): boolean {
  return inFlight > 0 || callCost.hot || windows.some(({ rate }) => rate > 0);
}

function weigh({ callCost, windows }: ScopeStatus) {
  return {
    hot: callCost.hot || windows.some(({ hot }) => hot),
    rate: windows.at(-1)?.rate ?? 0,
    share: Math.max(
      limitPercent(callCost.excess, callCost.limit),
      ...windows.map(({ limit, rate }) => limitPercent(rate, limit)),
    ),
  };
}

/** Rate in percent of its limit; a limit of zero is reached by any rate, no limit by none. */
export function limitPercent(rate: number, limit: number): number {
  if (limit <= 0) return rate > 0 ? 100 : 0;
  return limit === Number.MAX_SAFE_INTEGER ? 0 : Math.floor((rate * 100) / limit);
}
