import { formatMicroUsd } from "../../engine/money.ts";
import { weir } from "../../proto/gen/weir.js";
import { UsageError } from "./command.ts";

const { BUDGET_UNIT_CALLS: CALLS, BUDGET_UNIT_TOKENS: TOKENS } = weir.v1.BudgetUnit;
const USD = weir.v1.BudgetUnit.BUDGET_UNIT_USD;

/** An amount as the wire has it: micro-USD, tokens or calls. */
export interface Amount {
  readonly unit: number;
  readonly amount: number;
}

/** Units as JSON names them. */
export function unitName(unit: number): "usd" | "tokens" | "calls" {
  return unit === TOKENS ? "tokens" : unit === CALLS ? "calls" : "usd";
}

/**
 * An amount for people: "$1,234.50" to the cent from a dollar on, every digit below; "12,000 tokens".
 * What is left is rounded down, so that it never looks like more.
 */
export function formatAmount(amount: number, unit: number, round = Math.round): string {
  if (unit === TOKENS || unit === CALLS) return `${grouped(amount)} ${unitName(unit)}`;
  if (Math.abs(amount) < 1_000_000) return formatMicroUsd(amount);
  const cents = round(amount / 10_000);
  const size = Math.abs(cents);
  const rest = String(size % 100).padStart(2, "0");
  return `${cents < 0 ? "-" : ""}$${grouped(Math.floor(size / 100))}.${rest}`;
}

function grouped(count: number): string {
  return String(count).replaceAll(/\B(?=(\d{3})+$)/g, ",");
}

const AMOUNT = /^(\$?)(\d{1,12})(?:\.(\d{1,6}))? ?(USD|tokens|calls)?$/i;

/** "250", "$0.50" and "250 USD" are money, "5000 tokens" and "20 calls" are not. */
export function parseAmount(text: string): Amount {
  const [, dollar, whole = "", fraction = "", word = "usd"] = AMOUNT.exec(text) ?? [];
  const unit = { usd: USD, tokens: TOKENS, calls: CALLS }[word.toLowerCase()];
  if (whole === "" || unit === undefined || (unit !== USD && (fraction !== "" || dollar === "$"))) {
    throw new UsageError(
      `--amount ${text} is not an amount; accepted are USD, as in 250 or 0.50, 5000tokens and 20calls`,
    );
  }
  const amount = unit === USD ? Number(whole + fraction.padEnd(6, "0")) : Number(whole);
  if (Number.isSafeInteger(amount)) return { amount, unit };
  throw new UsageError(`--amount ${text} is too large`);
}
