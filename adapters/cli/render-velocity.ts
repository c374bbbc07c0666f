import { weir } from "../../proto/gen/weir.js";
import { formatAmount } from "./amounts.ts";
import { formatWait, type Style } from "./style.ts";
import { type Cell, type Column, renderTable } from "./table.ts";

const USD = weir.v1.BudgetUnit.BUDGET_UNIT_USD;
const COLUMNS: readonly Column[] = [
  { title: "SCOPE" },
  { title: "IN FLIGHT", right: true },
  { title: "IN THE LAST", right: true },
  { title: "CALLS", right: true },
  { title: "SPENT", right: true },
  { title: "LIMIT", right: true },
  { title: "OF LIMIT", right: true },
  { title: "OF USUAL", right: true },
  { title: "STATE" },
];
const NAMES: Readonly<Record<string, string>> = { "1s": "second", "1m": "minute", "1h": "hour" };

/**
 * The busiest scopes for a person: a line for each window in which something was spent, and one where
 * calls cost more than usual.
 */
export function renderVelocity({ scopes }: weir.v1.GetVelocityResponse, style: Style): string {
  const rows = scopes.flatMap(({ callCost, inFlight, scope, windows }) => {
    const busy = windows.filter(({ hot, rateMicroUsd }) => hot || Number(rateMicroUsd) > 0);
    const shown = busy.length === 0 ? windows.slice(-1) : busy;
    const cells = shown.map((window) => windowCells(window, style));
    if (callCost !== null && Number(callCost.excessMicroUsd) > 0) {
      cells.push(callCostCells(callCost, style));
    }
    return cells.map((some, index) => [
      index === 0 ? scope : "",
      index === 0 ? String(inFlight) : "",
      ...some,
    ]);
  });
  return renderTable(COLUMNS, rows, style);
}

function windowCells(window: weir.v1.WindowVelocity, style: Style): readonly (Cell | string)[] {
  const limit = Number(window.limitMicroUsd);
  const usual = Number(window.baselinePercent);
  return [
    NAMES[window.window] ?? window.window,
    String(window.calls),
    formatAmount(Number(window.rateMicroUsd), USD),
    limit < 0 ? "none" : formatAmount(limit, USD),
    limit < 0 ? "" : shareCell(Number(window.limitPercent), style),
    usual === 0 ? "" : `${usual}%`,
    stateOf(window, style),
  ];
}

/** What calls cost above the usual stands where windows say what was spent. */
function callCostCells(cost: weir.v1.CallCost, style: Style): readonly (Cell | string)[] {
  return [
    "above usual",
    "",
    formatAmount(Number(cost.excessMicroUsd), USD),
    formatAmount(Number(cost.limitMicroUsd), USD),
    shareCell(Number(cost.limitPercent), style),
    "",
    stateOf(cost, style),
  ];
}

function shareCell(percent: number, style: Style): Cell {
  const paint = percent >= 100 ? style.red : percent >= 70 ? style.yellow : style.green;
  return { text: `${percent}%`, paint };
}

type Judged = Pick<weir.v1.WindowVelocity, "armed" | "hot" | "retryAfterMs">;

function stateOf({ armed, hot, retryAfterMs }: Judged, style: Style): Cell {
  if (hot) return { text: `HOT, cools in ${formatWait(Number(retryAfterMs))}`, paint: style.red };
  return armed ? { text: "armed" } : { text: "learning", paint: style.faint };
}

/** The same for a program; money in micro-USD. */
export function velocityJson({ nowMs, scopes }: weir.v1.GetVelocityResponse) {
  return {
    now_ms: Number(nowMs),
    scopes: scopes.map(({ callCost, inFlight, scope, windows }) => ({
      scope,
      in_flight: Number(inFlight),
      call_cost:
        callCost === null
          ? null
          : {
              usual_micro_usd: Number(callCost.usualMicroUsd),
              excess_micro_usd: Number(callCost.excessMicroUsd),
              limit_micro_usd: Number(callCost.limitMicroUsd),
              limit_percent: Number(callCost.limitPercent),
              armed: callCost.armed,
              hot: callCost.hot,
              retry_after_ms: Number(callCost.retryAfterMs),
            },
      windows: windows.map((window) => ({
        window: window.window,
        rate_micro_usd: Number(window.rateMicroUsd),
        limit_micro_usd: Number(window.limitMicroUsd) < 0 ? null : Number(window.limitMicroUsd),
        limit_percent: Number(window.limitPercent),
        baseline_percent: Number(window.baselinePercent),
        armed: window.armed,
        hot: window.hot,
        calls: Number(window.calls),
        retry_after_ms: Number(window.retryAfterMs),
      })),
    })),
  };
}
