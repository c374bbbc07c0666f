import { resolve } from "node:path";

import { driftNanoUsd, type Drift, type StateCheck } from "../serve/state-check.ts";
import type { StateRebuild } from "../serve/state-rebuild.ts";

/** The node's own data folder and those of the others. */
export function dataFolders(
  own: string,
  others: string | undefined,
  cwd: string,
): readonly string[] {
  const named = (others ?? "").split(",").filter((name) => name !== "");
  return [...new Set([own, ...named.map((name) => resolve(cwd, name))])];
}

export function isSound({ drifts, missingLogs, orphans }: StateCheck): boolean {
  return drifts.length === 0 && missingLogs.length === 0 && orphans.length === 0;
}

export function stateCheckJson(check: StateCheck): object {
  const { budgets, drifts, missingLogs, openReservations, orphans } = check;
  return {
    budgets,
    drift_nano_usd: String(driftNanoUsd(check)),
    open_reservations: openReservations,
    orphans: orphans.length,
    drifts: drifts.map(({ budget, held, instance, settled, unit }) => ({
      budget,
      held: String(held),
      instance,
      settled: String(settled),
      unit,
    })),
    missing_logs: missingLogs,
  };
}

export function stateCheckText(check: StateCheck): string {
  const { budgets, drifts, missingLogs, openReservations, orphans } = check;
  return [
    isSound(check) ? "the state is what the logs say" : "the state is NOT what the logs say",
    `  balances      ${budgets} budget instances, ${drifts.length} that differ`,
    ...drifts.map((drift) => `                ${drift.instance}: ${differenceText(drift)}`),
    `  drift         ${driftNanoUsd(check)} nano-USD in all`,
    `  reservations  ${openReservations} open, ${orphans.length} of them in no log`,
    ...orphans.map((id) => `                ${id} ends by its deadline`),
    ...missingLogs.map(
      (name) => `  missing       the log of ${name}: give its data folder in --logs`,
    ),
  ].join("\n");
}

export function stateRebuildJson({ check, ...counts }: StateRebuild): object {
  return { rebuilt: counts, ...stateCheckJson(check) };
}

export function stateRebuildText(rebuilt: StateRebuild): string {
  const { balances, check, freezes, grants, reservations } = rebuilt;
  return [
    `brought back  ${balances} balances, ${reservations} reservations, ${freezes} freezes, ${grants} grants`,
    stateCheckText(check),
  ].join("\n");
}

function differenceText({ held, settled, unit }: Drift): string {
  const parts = [
    ...(held === 0n ? [] : [`${signed(held)} ${unit} held`]),
    ...(settled === 0n ? [] : [`${signed(settled)} ${unit} settled`]),
  ];
  return parts.join(", ");
}

function signed(amount: bigint): string {
  return amount > 0n ? `+${amount}` : String(amount);
}
