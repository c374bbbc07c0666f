import { weir } from "../../../proto/gen/weir.js";
import { formatAmount } from "../amounts.ts";
import { formatWait, type Style } from "../style.ts";
import { type Column, renderTable } from "../table.ts";
import type { LabOptions } from "./lab.ts";
import type { LabSummary, TroubleSummary } from "./summary.ts";
import { describeTrouble, LAB_TROUBLES } from "./troubles.ts";

const PER = 10_000;
const COLUMNS: readonly Column[] = [
  { title: "TROUBLE" },
  { title: "MISSED", right: true },
  { title: "FOUND AFTER", right: true },
  { title: "LONGEST", right: true },
  { title: "LEAKED", right: true },
  { title: "MOST", right: true },
  { title: "UNCONTROLLED", right: true },
  { title: "LET THROUGH", right: true },
  { title: "FOUND BY" },
];

/** The figures of a lab for a person. */
export function renderLab(summary: LabSummary, options: LabOptions, style: Style): string {
  const { seeds, untouched } = summary;
  const rows = LAB_TROUBLES.map((trouble) => [trouble, ...cellsOf(summary.troubles[trouble])]);
  const runs = seeds.length === 1 ? `seed ${seeds[0]}` : `seeds ${seeds[0]} to ${seeds.at(-1)}`;
  const { days, teams, trace, users } = options;
  const explained = LAB_TROUBLES.map((one) => `  ${one.padEnd(12)} ${describeTrouble(one)}`);
  return [
    `${grouped(trace.length)} calls of the trace as ${days} days of ${teams} teams and ${users} users, ${runs}`,
    "",
    style.bold("untouched"),
    ...untouchedLines(untouched),
    "",
    style.bold("in trouble"),
    renderTable(COLUMNS, rows, style),
    "",
    ...explained,
    "",
    "Times and money are medians; FOUND AFTER is of those found. LEAKED is what passed until the trouble was",
    "found, above what the calls would have cost without it; UNCONTROLLED is what two hours of it cost where",
    "nothing is refused, LET THROUGH the part of that which passed in all.",
  ].join("\n");
}

function untouchedLines(untouched: LabSummary["untouched"]): readonly string[] {
  const { calls, costMicroUsd, falseTripsBy, falseTrips, hotCalls } = untouched;
  const refused = `${((100 * hotCalls) / calls).toFixed(3)} % of the calls would have been refused`;
  const by = falseTripsBy.map(([name, count]) => `${name} ${perTenThousand(count, calls)}`);
  return [
    `  calls        ${grouped(calls)} for ${usd(costMicroUsd)}`,
    `  false trips  ${perTenThousand(falseTrips, calls)} per 10,000 calls (${falseTrips} in all); ${refused}`,
    ...(by.length === 0 ? [] : [`  of which     ${by.join(", ")}`]),
  ];
}

function cellsOf(trouble: TroubleSummary): readonly string[] {
  const { foundBy, foundMsMedian, foundMsMost, missed, passedPercent, tried } = trouble;
  return [
    `${missed}/${tried}`,
    foundMsMedian === null ? "" : formatWait(foundMsMedian),
    foundMsMost === null ? "" : formatWait(foundMsMost),
    usd(trouble.leakedMedian),
    usd(trouble.leakedMost),
    usd(trouble.uncontrolledMedian),
    `${passedPercent.toFixed(1)}%`,
    foundBy.map(([name, count]) => `${name} ${count}`).join(", "),
  ];
}

/** The same for a program; money in micro-USD, times in ms. */
export function labJson(summary: LabSummary, options: LabOptions) {
  const { seeds, untouched } = summary;
  const { bundle, days, teams, trace, users } = options;
  const troubles = LAB_TROUBLES.map((name) => {
    const trouble = summary.troubles[name];
    const figures = {
      tried: trouble.tried,
      missed: trouble.missed,
      found_ms_median: trouble.foundMsMedian,
      found_ms_max: trouble.foundMsMost,
      leaked_micro_usd_median: trouble.leakedMedian,
      leaked_micro_usd_max: trouble.leakedMost,
      uncontrolled_micro_usd_median: trouble.uncontrolledMedian,
      let_through_percent: Number(trouble.passedPercent.toFixed(3)),
      found_by: Object.fromEntries(trouble.foundBy),
    };
    return [name, figures] as const;
  });
  return {
    bundle: { revision: bundle.revision, digest: bundle.digest },
    trace_calls: trace.length,
    days,
    teams,
    users,
    seeds,
    untouched: {
      calls: untouched.calls,
      cost_micro_usd: untouched.costMicroUsd,
      hot_calls: untouched.hotCalls,
      false_trips: untouched.falseTrips,
      false_trips_per_10000: Number(perTenThousand(untouched.falseTrips, untouched.calls)),
      false_trips_by: Object.fromEntries(untouched.falseTripsBy),
    },
    troubles: Object.fromEntries(troubles),
  };
}

function perTenThousand(count: number, calls: number): string {
  return ((PER * count) / calls).toFixed(count === 0 ? 0 : 4);
}

function usd(microUsd: number): string {
  return formatAmount(microUsd, weir.v1.BudgetUnit.BUDGET_UNIT_USD);
}

function grouped(count: number): string {
  return count.toLocaleString("en-US");
}
