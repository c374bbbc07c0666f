import { mulDiv, judgeWindow, rollWindow } from "../../../engine/velocity/window.ts";
import type { ScopePlan } from "../../../engine/velocity/scopes.ts";
import { MemoryStateStore } from "../../memory/state-store.ts";
import type { Storage } from "../../serve/storage.ts";

/** Spend of one scope in the last minute. */
export interface BusyScope {
  readonly scope: string;
  /** Nano-USD a minute. */
  readonly rate: number;
  /** Percent of the rate at which it is throttled. */
  readonly percent: number;
  readonly hot: boolean;
}

/** The teams and features nearest to their limit, nearest first; looks at copies and changes nothing. */
export function busiestScopes(
  state: Storage["state"],
  plan: ScopePlan,
  nowMs: number,
  count: number,
): readonly BusyScope[] {
  if (!(state instanceof MemoryStateStore)) return [];
  const busy: BusyScope[] = [];
  for (const { scopes } of state.tenants.values()) {
    for (const [scope, { bornMs, windows }] of scopes.scopes) {
      const kind = scope.slice(0, scope.indexOf(":"));
      const at =
        kind === "team" || kind === "feature"
          ? plan.kinds.find((one) => one.kind === kind)
          : undefined;
      const place = at?.windows.findIndex(({ name }) => name === "1m") ?? -1;
      const parameters = at?.windows[place];
      const window = windows[place];
      if (parameters === undefined || window === undefined) continue;
      const copy = { ...window };
      rollWindow(copy, parameters, nowMs);
      const { hot, limit, rate } = judgeWindow(copy, parameters, nowMs, nowMs - bornMs);
      if (rate > 0) busy.push({ hot, percent: mulDiv(rate, 100, Math.max(limit, 1)), rate, scope });
    }
  }
  return busy.toSorted((one, other) => other.percent - one.percent).slice(0, count);
}
