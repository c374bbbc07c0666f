import { FieldReader, show } from "../intent/fields.ts";
import { invalid } from "../intent/parse.ts";
import { LIMITS } from "../limits.ts";
import { DIMENSIONS, type Dimension, LEDGER_KINDS, type LedgerKind } from "./ledger-entry.ts";
import { monthSpan } from "./month.ts";
import {
  BUCKETS,
  type EntryFilter,
  type EntryKey,
  type ListQuery,
  type SummaryQuery,
} from "./query.ts";
import type { RawClose, RawFilter, RawList, RawRun, RawSummary } from "./reader.ts";

const { idChars, reasonChars } = LIMITS;
const HOUR_MS = 3_600_000;
/** Far enough in the future for every entry, a whole hour. */
const NEVER_MS = 253_402_300_800_000;

/** A filter as it was asked for, before the caller's tenants narrow it. */
export type AskedFilter = Omit<EntryFilter, "tenants"> & { readonly tenant: string };

export interface AskedList {
  readonly filter: AskedFilter;
  readonly query: Omit<ListQuery, "filter">;
}

/** Untrusted input to a list; every wrong field is named in one `ledger.invalid`. */
export function parseList(raw: RawList): AskedList {
  const read = new FieldReader();
  const filter = parseFilter(read, raw);
  const limit = read.count(raw.pageSize, "page_size", 0, LIMITS.ledgerPage);
  const query = {
    after: parseToken(read, raw.pageToken),
    decisionId: read.text(raw.decisionId, "decision_id", idChars),
    limit: limit === 0 ? DEFAULT_PAGE : limit,
    oldestFirst: read.flag(raw.oldestFirst, "oldest_first"),
    run: read.text(raw.run, "run", idChars),
  };
  return done(read, { filter, query }, "list");
}

const DEFAULT_PAGE = 100;

export interface AskedSummary {
  readonly filter: AskedFilter;
  readonly query: Omit<SummaryQuery, "filter">;
}

/** Untrusted input to a summary; its times are whole hours. */
export function parseSummary(raw: RawSummary): AskedSummary {
  const read = new FieldReader();
  const filter = parseFilter(read, raw);
  for (const [name, ms] of [
    ["from_ms", filter.fromMs],
    ["to_ms", filter.toMs],
  ] as const) {
    if (ms % HOUR_MS !== 0) read.reject(name, `${ms} is not a whole hour; sums are by the hour`);
  }
  const groupBy = [...new Set(words(read, raw.groupBy, "group_by", DIMENSIONS))];
  const bucket = read.choice(raw.bucket, "bucket", BUCKETS, "none");
  const scan = read.flag(raw.scan, "scan");
  return done(read, { filter, query: { bucket, groupBy, scan } }, "summary");
}

export function parseRun(raw: RawRun): { readonly tenant: string; readonly run: string } {
  const read = new FieldReader();
  const request = {
    run: read.mandatoryText(raw.run, "run", idChars),
    tenant: read.text(raw.tenant, "tenant", idChars),
  };
  return done(read, request, "run");
}

export function parseDecisionId(raw: unknown): string {
  const read = new FieldReader();
  return done(read, read.mandatoryText(raw, "decision_id", idChars), "decision");
}

export interface CloseRequest {
  readonly tenant: string;
  readonly month: string;
  readonly reason: string;
  readonly fromMs: number;
  readonly toMs: number;
}

/** Untrusted input to the closing of a month, which has to be over. */
export function parseClose(raw: RawClose, nowMs: number): CloseRequest {
  const read = new FieldReader();
  const month = read.mandatoryText(raw.month, "month", 16);
  const span = monthSpan(month);
  if (month !== "" && span === null) {
    read.reject("month", `${show(month)} is not a month of the form "YYYY-MM"`);
  } else if (span !== null && span.toMs > nowMs) {
    read.reject("month", `${month} is not over; it ends at ${new Date(span.toMs).toISOString()}`);
  }
  const request = {
    fromMs: span?.fromMs ?? 0,
    month,
    reason: read.mandatoryText(raw.reason, "reason", reasonChars),
    tenant: read.mandatoryText(raw.tenant, "tenant", idChars),
    toMs: span?.toMs ?? 0,
  };
  return done(read, request, "close");
}

function parseFilter(read: FieldReader, raw: RawFilter): AskedFilter {
  const fromMs = read.count(raw.fromMs, "from_ms", 0, NEVER_MS);
  const givenTo = read.count(raw.toMs, "to_ms", 0, NEVER_MS);
  const toMs = givenTo === 0 ? NEVER_MS : givenTo;
  if (toMs <= fromMs) read.reject("to_ms", `${toMs} is not after from_ms, ${fromMs}`);
  return {
    dimensions: parseDimensions(read, raw.match),
    fromMs,
    kinds: words(read, raw.kinds, "kinds", LEDGER_KINDS) as readonly LedgerKind[],
    tenant: read.text(raw.tenant, "tenant", idChars),
    toMs,
  };
}

function parseDimensions(read: FieldReader, raw: unknown): EntryFilter["dimensions"] {
  if (raw === undefined || raw === null) return {};
  if (!Array.isArray(raw) || raw.length > LIMITS.ledgerMatches) {
    read.reject("match", `at most ${LIMITS.ledgerMatches} fields are accepted`);
    return {};
  }
  const found: Partial<Record<Dimension, readonly string[]>> = {};
  for (const [index, one] of (raw as readonly unknown[]).entries()) {
    const { field, values } = read.object(one, `match[${index}]`);
    const name = read.choice(field, `match[${index}].field`, DIMENSIONS, null);
    const given = Array.isArray(values) ? (values as readonly unknown[]) : [];
    if (given.length === 0 || given.length > LIMITS.ledgerMatches) {
      read.reject(`match[${index}].values`, `1 to ${LIMITS.ledgerMatches} values are accepted`);
    }
    found[name] = given.map((value) => read.text(value, `match[${index}].values`, 256));
  }
  return found;
}

function words<Word extends string>(
  read: FieldReader,
  raw: unknown,
  field: string,
  accepted: readonly Word[],
): readonly Word[] {
  if (raw === undefined || raw === null) return [];
  if (!Array.isArray(raw) || raw.length > accepted.length) {
    read.reject(field, `at most ${accepted.length} are accepted`);
    return [];
  }
  return (raw as readonly unknown[]).map((one, index) =>
    read.choice(one, `${field}[${index}]`, accepted, null),
  );
}

/** A page token is the key of the page's last entry. */
export function pageToken({ bookedMs, part, sequence, writer }: EntryKey): string {
  return `${bookedMs}.${sequence}.${part}.${writer}`;
}

function parseToken(read: FieldReader, raw: unknown): EntryKey | null {
  const text = read.text(raw, "page_token", 256);
  if (text === "") return null;
  const match = /^(\d{1,15})\.(\d{1,15})\.(\d{1,3})\.([\w-]{1,128})$/.exec(text);
  if (match === null) {
    read.reject("page_token", `${show(text)} is not the token of a page`);
    return null;
  }
  const [, bookedMs, sequence, part, writer = ""] = match;
  return {
    bookedMs: Number(bookedMs),
    part: Number(part),
    sequence: Number(sequence),
    writer,
  };
}

function done<Request>(read: FieldReader, request: Request, what: string): Request {
  if (read.violations.length > 0) throw invalid("ledger.invalid", what, read);
  return request;
}
