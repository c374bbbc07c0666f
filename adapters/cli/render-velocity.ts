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

/** The busiest scopes for a person: a line for each window in which something was spent. */
export function renderVelocity({ scopes }: weir.v1.GetVelocityResponse, style: Style): string {
  const rows = scopes.flatMap(({ inFlight, scope, windows }) => {
    const busy = windows.filter(({ hot, rateMicroUsd }) => hot || Number(rateMicroUsd) > 0);
    const shown = busy.length === 0 ? windows.slice(-1) : busy;
    return shown.map((window, index) => [
      index === 0 ? scope : "",
      index === 0 ? String(inFlight) : "",
      ...windowCells(window, style),
    ]);
  });
  return renderTable(COLUMNS, rows, style);
}

function windowCells(window: weir.v1.WindowVelocity, style: Style): readonly (Cell | string)[] {
  const limit = Number(window.limitMicroUsd);
  const percent = Number(window.limitPercent);
  const paint = percent >= 100 ? style.red : percent >= 70 ? style.yellow : style.green;
  const usual = Number(window.baselinePercent);
  return [
    NAMES[window.window] ?? window.window,
    String(window.calls),
    formatAmount(Number(window.rateMicroUsd), USD),
    limit < 0 ? "none" : formatAmount(limit, USD),
    limit < 0 ? "" : { text: `${percent}%`, paint },
    usual === 0 ? "" : `${usual}%`,
    stateOf(window, style),
  ];
}

function stateOf({ armed, hot, retryAfterMs }: weir.v1.WindowVelocity, style: Style): Cell {
  if (hot) return { text: `HOT, cools in ${formatWait(Number(retryAfterMs))}`, paint: style.red };
  return armed ? { text: "armed" } : { text: "learning", paint: style.faint };
}

/** The same for a program; money in micro-USD. */
export function velocityJson({ nowMs, scopes }: weir.v1.GetVelocityResponse) {
  return {
    now_ms: Number(nowMs),
    scopes: scopes.map(({ inFlight, scope, windows }) => ({
      scope,
      in_flight: Number(inFlight),
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
