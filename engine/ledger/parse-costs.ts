import { FieldReader, show } from "../intent/fields.ts";
import { ATTRIBUTION_FIELDS, type AttributionField } from "../intent/intent.ts";
import { invalid } from "../intent/parse.ts";
import { LIMITS } from "../limits.ts";
import { picoFromUsd } from "../money.ts";
import { COST_LAYERS } from "./cost-layer.ts";
import type { ImportedRecord } from "./ledger-lines.ts";

/** What an adapter hands over of one cost before anything is checked. */
export interface RawCost {
  readonly source?: unknown;
  readonly id?: unknown;
  readonly timeMs?: unknown;
  readonly tenant?: unknown;
  readonly attribution?: unknown;
  readonly layer?: unknown;
  readonly product?: unknown;
  readonly run?: unknown;
  readonly costUsd?: unknown;
  readonly quantity?: unknown;
  readonly unit?: unknown;
  readonly description?: unknown;
}

/** A cost as its line says it, without when and by whom it was taken in. */
export type Cost = Omit<ImportedRecord, "actor" | "at_ms" | "kind" | "v">;

const { costEvents, idChars, reasonChars, wordChars } = LIMITS;
const EARLIEST_MS = Date.UTC(2020, 0, 1);
/** How far a sender's clock may be ahead. */
const AHEAD_MS = 86_400_000;

/**
 * Untrusted costs; every wrong field of every one is named in one `ledger.invalid`, and then none is
 * taken. `masked` are attribution fields that no cost may name, for nothing would mask them.
 */
export function parseCosts(
  raw: unknown,
  nowMs: number,
  masked: readonly string[],
): readonly Cost[] {
  const read = new FieldReader();
  const given = Array.isArray(raw) ? (raw as readonly unknown[]) : [];
  if (given.length === 0 || given.length > costEvents) {
    read.reject("events", `${given.length} events; 1 to ${costEvents} are accepted`);
    throw invalid("ledger.invalid", "costs", read);
  }
  const costs = given.map((one, index) => {
    const field = `events[${index}]`;
    return parseCost(read, read.object(one, field), `${field}.`, nowMs, masked);
  });
  if (read.violations.length > 0) throw invalid("ledger.invalid", "costs", read);
  return costs;
}

function parseCost(
  read: FieldReader,
  raw: RawCost,
  at: string,
  nowMs: number,
  masked: readonly string[],
): Cost {
  return {
    attribution: parseAttribution(read, raw.attribution, `${at}attribution`, masked),
    cost_pico_usd: String(parseCostUsd(read, raw.costUsd, `${at}cost_usd`)),
    description: read.text(raw.description, `${at}description`, reasonChars),
    id: read.mandatoryText(raw.id, `${at}id`, idChars),
    layer: read.choice(raw.layer, `${at}layer`, COST_LAYERS, "tools"),
    product: parseProduct(read, raw.product, `${at}product`),
    quantity: parseQuantity(read, raw.quantity, `${at}quantity`),
    run: read.text(raw.run, `${at}run`, idChars),
    source: read.mandatoryText(raw.source, `${at}source`, reasonChars),
    tenant: read.mandatoryText(raw.tenant, `${at}tenant`, idChars),
    time_ms: parseTime(read, raw.timeMs, `${at}time`, nowMs),
    unit: read.text(raw.unit, `${at}unit`, wordChars),
  };
}

function parseAttribution(
  read: FieldReader,
  raw: unknown,
  field: string,
  masked: readonly string[],
): Cost["attribution"] {
  const given = read.object(raw, field);
  for (const [name, value] of Object.entries(given)) {
    if (!(ATTRIBUTION_FIELDS as readonly string[]).includes(name)) {
      const accepted = ATTRIBUTION_FIELDS.join(", ");
      read.reject(`${field}.${name}`, `no such field; accepted are ${accepted}`);
    } else if (value !== "" && masked.includes(`attribution.${name}`)) {
      read.reject(`${field}.${name}`, "the bundle masks this field, so a cost may not name it");
    }
  }
  return Object.fromEntries(
    ATTRIBUTION_FIELDS.map((name) => [name, read.text(given[name], `${field}.${name}`, idChars)]),
  ) as Record<AttributionField, string>;
}

/** Below zero it is a credit. A number would have been rounded by whoever wrote it. */
function parseCostUsd(read: FieldReader, raw: unknown, field: string): bigint {
  const pico = typeof raw === "string" ? picoFromUsd(raw) : null;
  if (pico !== null && pico >= -COST_MAX && pico <= COST_MAX) return pico;
  const accepted =
    'USD as text with at most 12 digits behind the point, as in "0.0125", up to 1,000,000';
  read.reject(field, `${show(raw)} is not accepted; accepted is ${accepted}`);
  return 0n;
}

const COST_MAX = 1_000_000n * 1_000_000_000_000n;

function parseProduct(read: FieldReader, raw: unknown, field: string): string {
  const product = read.mandatoryText(raw, field, idChars);
  if (product !== "" && !/^[^:]+:.+$/.test(product)) {
    read.reject(field, `${show(product)} is not of the form "provider:product"`);
  }
  return product;
}

function parseQuantity(read: FieldReader, raw: unknown, field: string): string {
  const text = read.text(raw, field, wordChars);
  if (text === "" || /^-?\d{1,18}(\.\d{1,12})?$/.test(text)) return text;
  read.reject(field, `${show(text)} is no decimal number`);
  return "";
}

function parseTime(read: FieldReader, raw: unknown, field: string, nowMs: number): number {
  const timeMs = typeof raw === "number" && Number.isInteger(raw) ? raw : Number.NaN;
  if (timeMs >= EARLIEST_MS && timeMs <= nowMs + AHEAD_MS) return timeMs;
  const shown = Number.isNaN(timeMs) ? show(raw) : safeIso(timeMs);
  read.reject(field, `${shown} is not accepted; accepted are times from 2020 to tomorrow`);
  return nowMs;
}

function safeIso(ms: number): string {
  return Math.abs(ms) <= 8_640_000_000_000_000 ? new Date(ms).toISOString() : String(ms);
}
