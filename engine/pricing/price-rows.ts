import type { FieldViolation } from "../errors.ts";
import { SERVICE_TIERS } from "../intent/intent.ts";
import { LIMITS } from "../limits.ts";
import type { PriceBookData, PriceRowData } from "../policy/bundle-data.ts";
import { TOKEN_CLASSES } from "./rates.ts";

const ROW_KEYS = new Set([
  "above_tokens",
  "from",
  "micro_usd_per_mtok",
  "micro_usd_per_request",
  "model",
  "source",
  "tier",
  "to",
]);
const MANDATORY_PRICES = ["input", "output"] as const;

type Reject = (field: string, description: string) => void;
type Fields = Readonly<Record<string, unknown>>;

/**
 * Everything wrong with a price book, by path and value; empty if it may be used. The data comes from
 * a bundle, so nothing about its shape is taken for granted.
 */
export function checkPriceBook(data: PriceBookData): readonly FieldViolation[] {
  const violations: FieldViolation[] = [];
  const reject: Reject = (field, description) => violations.push({ description, field });
  if (!isObject(data)) {
    reject("prices", `${show(data)} is not an object`);
    return violations;
  }
  const book: Fields = data;
  if (typeof book["version"] !== "string" || book["version"] === "") {
    reject("prices.version", `${show(book["version"])} is not a version`);
  }
  if (book["currency"] !== "USD") {
    reject("prices.currency", `${show(book["currency"])} is not accepted; accepted is "USD"`);
  }
  const rows = book["rows"];
  if (!Array.isArray(rows)) {
    reject("prices.rows", `${show(rows)} is not a list`);
    return violations;
  }
  for (const [index, row] of rows.entries()) checkRow(reject, row, `prices.rows[${index}]`);
  if (violations.length === 0) {
    checkOverlaps(reject, data.rows);
    checkBaseRows(reject, data.rows);
  }
  return violations;
}

function checkRow(reject: Reject, row: unknown, path: string): void {
  if (!isObject(row)) return reject(path, `${show(row)} is not an object`);
  for (const key of Object.keys(row)) {
    if (!ROW_KEYS.has(key)) reject(`${path}.${key}`, "unknown field");
  }
  const { model, source, tier } = row;
  const named =
    typeof model === "string" && /^[^:]+:./.test(model) && model.length <= LIMITS.idChars;
  if (!named) reject(`${path}.model`, `${show(model)} is not of the form "provider:model"`);
  if (!SERVICE_TIERS.some((known) => known === tier)) {
    reject(
      `${path}.tier`,
      `${show(tier)} is not accepted; accepted are ${SERVICE_TIERS.join(", ")}`,
    );
  }
  if (typeof source !== "string" || source === "") {
    reject(`${path}.source`, `${show(source)} does not say where the price comes from`);
  }
  checkWhole(reject, row["above_tokens"], `${path}.above_tokens`, LIMITS.tokens);
  checkSpan(reject, row["from"], row["to"], path);
  checkPrices(reject, row["micro_usd_per_mtok"], `${path}.micro_usd_per_mtok`);
  if ("micro_usd_per_request" in row) {
    const request = row["micro_usd_per_request"];
    checkWhole(reject, request, `${path}.micro_usd_per_request`, LIMITS.priceMicroUsd);
  }
}

function checkPrices(reject: Reject, prices: unknown, path: string): void {
  if (!isObject(prices)) return reject(path, `${show(prices)} is not an object`);
  for (const name of MANDATORY_PRICES) {
    if (!(name in prices)) reject(`${path}.${name}`, "missing");
  }
  for (const [name, price] of Object.entries(prices)) {
    if (TOKEN_CLASSES.some((known) => known === name)) {
      checkWhole(reject, price, `${path}.${name}`, LIMITS.priceMicroUsd);
    } else {
      reject(`${path}.${name}`, `unknown class; accepted are ${TOKEN_CLASSES.join(", ")}`);
    }
  }
}

function checkWhole(reject: Reject, value: unknown, path: string, max: number): void {
  const whole = typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= max;
  if (!whole) reject(path, `${show(value)} is not a whole number from 0 to ${max}`);
}

function checkSpan(reject: Reject, from: unknown, to: unknown, path: string): void {
  if (!isDay(from)) reject(`${path}.from`, `${show(from)} is not a day of the form "YYYY-MM-DD"`);
  if (to === null) return;
  if (!isDay(to)) {
    reject(`${path}.to`, `${show(to)} is neither null nor a day of the form "YYYY-MM-DD"`);
  } else if (isDay(from) && to <= from) {
    reject(`${path}.to`, `${show(to)} is not after from, ${show(from)}`);
  }
}

/** Two rows of the same model, tier and threshold may not apply on the same day. */
function checkOverlaps(reject: Reject, rows: readonly PriceRowData[]): void {
  const keyOf = (row: PriceRowData): string => `${row.model} ${row.tier} ${row.above_tokens}`;
  const indexes = Map.groupBy(rows.keys(), (index) => keyOf(rows[index] as PriceRowData));
  for (const [key, same] of indexes) {
    same.sort((one, other) => (startOf(rows, one) < startOf(rows, other) ? -1 : 1));
    for (const [place, index] of same.entries()) {
      const before = same[place - 1];
      const end = before === undefined ? "" : rows[before]?.to;
      if (end === null || (end !== undefined && end > startOf(rows, index))) {
        const day = show(startOf(rows, index));
        reject(`prices.rows[${index}].from`, `${day} overlaps prices.rows[${before}] (${key})`);
      }
    }
  }
}

function startOf(rows: readonly PriceRowData[], index: number): string {
  return rows[index]?.from ?? "";
}

/** On every day of a row with a threshold, its model and tier have a row from 0 tokens on. */
function checkBaseRows(reject: Reject, rows: readonly PriceRowData[]): void {
  const bases = rows.filter((row) => row.above_tokens === 0);
  for (const [index, row] of rows.entries()) {
    if (row.above_tokens === 0) continue;
    const day = firstUncovered(
      row,
      bases.filter((base) => base.model === row.model && base.tier === row.tier),
    );
    if (day === null) continue;
    const wanted = `${row.model} ${row.tier} has no row with above_tokens 0 on ${day}`;
    reject(`prices.rows[${index}].above_tokens`, `${row.above_tokens}, but ${wanted}`);
  }
}

function firstUncovered(row: PriceRowData, bases: readonly PriceRowData[]): string | null {
  let day = row.from;
  while (row.to === null || day < row.to) {
    const base = bases.find(({ from, to }) => from <= day && (to === null || to > day));
    if (base === undefined) return day;
    if (base.to === null) return null;
    day = base.to;
  }
  return null;
}

/** A day that exists, "YYYY-MM-DD". */
export function isDay(value: unknown): value is string {
  if (typeof value !== "string" || !/^\d{4}-\d{2}-\d{2}$/.test(value)) return false;
  const time = Date.parse(`${value}T00:00:00Z`);
  return Number.isFinite(time) && new Date(time).toISOString().startsWith(value);
}

function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function show(value: unknown): string {
  return JSON.stringify(value)?.slice(0, 60) ?? "nothing";
}
