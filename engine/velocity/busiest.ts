import type { ScopeStatus, WindowSnapshot } from "../reservation/reservation.ts";

/**
 * The scopes an operator wants to see first: hot ones, then by the share of its limit that a scope's
 * busiest window has reached, then by rate. Scopes at rest are left out. Every store sorts by this.
 */
export function busiest(scopes: readonly ScopeStatus[], top: number): readonly ScopeStatus[] {
  return scopes
    .filter((scope) => scope.inFlight > 0 || scope.windows.some(({ rate }) => rate > 0))
    .map((scope) => ({ scope, ...weigh(scope.windows) }))
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

function weigh(windows: readonly WindowSnapshot[]) {
  return {
    hot: windows.some(({ hot }) => hot),
    rate: windows.at(-1)?.rate ?? 0,
    share: Math.max(0, ...windows.map(({ limit, rate }) => limitPercent(rate, limit))),
  };
}

/** Rate in percent of its limit; a limit of zero is reached by any rate, no limit by none. */
export function limitPercent(rate: number, limit: number): number {
  if (limit <= 0) return rate > 0 ? 100 : 0;
  return limit === Number.MAX_SAFE_INTEGER ? 0 : Math.floor((rate * 100) / limit);
}
