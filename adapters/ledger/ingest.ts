import type { PriceBooks } from "../../engine/ledger/charge.ts";
import {
  type DecisionFacts,
  unknownFacts,
  withReport,
} from "../../engine/ledger/decision-facts.ts";
import { deriveLateDecision } from "../../engine/ledger/claim.ts";
import {
  type Derived,
  deriveDecision,
  deriveEntry,
  deriveGrant,
  deriveImported,
} from "../../engine/ledger/derive.ts";
import type { LedgerEntry, Place, PriceRow } from "../../engine/ledger/ledger-entry.ts";
import type { ClosedRecord, ImportedRecord } from "../../engine/ledger/ledger-lines.ts";
import { monthOf, monthSpan } from "../../engine/ledger/month.ts";
import type { LogLine } from "../../engine/record/record.ts";
import type { SqlConnection, SqlSession } from "./connection.ts";
import { storeBatch } from "./store-batch.ts";

/** A line with its place in its writer's log. */
export interface PlacedLine {
  readonly number: number;
  readonly line: LogLine;
}

/**
 * Takes lines of one writer's log into the store, batch by batch: each batch and the position after
 * it are one transaction, so that a line may come any number of times and counts once.
 */
export class Ingest {
  readonly #connection: SqlConnection;
  readonly #writer: string;
  readonly #books: PriceBooks;

  constructor(connection: SqlConnection, writer: string, books: PriceBooks) {
    this.#connection = connection;
    this.#writer = writer;
    this.#books = books;
  }

  /** Number of the last line that is stored; 0 for none. */
  async position(): Promise<number> {
    return positionOf(this.#connection, this.#writer);
  }

  /** Stores a batch; lines that are stored already are passed over. */
  async take(lines: readonly PlacedLine[]): Promise<void> {
    if (lines.length === 0) return;
    await this.#connection.transaction(async (session) => {
      const stored = await positionOf(session, this.#writer);
      const fresh = lines.filter(({ number }) => number > stored);
      if (fresh.length === 0) return;
      const batch = new Batch(this.#writer, this.#books);
      await batch.load(session, fresh);
      for (const { line, number } of fresh) batch.take(line, number);
      await storeBatch(session, batch.done());
      const last = fresh.at(-1) as PlacedLine;
      await session.insert({
        columns: ["writer", "sequence", "at_ms"],
        onConflict: "(writer) DO UPDATE SET sequence = excluded.sequence, at_ms = excluded.at_ms",
        rows: [[this.#writer, last.number, last.line.at_ms]],
        table: "writers",
      });
    });
  }
}

async function positionOf(session: SqlSession, writer: string): Promise<number> {
  const rows = await session.query("SELECT sequence FROM writers WHERE writer = $1", [writer]);
  return Number(rows[0]?.["sequence"] ?? 0);
}

/** What a batch adds to the store. */
export interface DerivedBatch {
  readonly entries: readonly LedgerEntry[];
  readonly facts: readonly DecisionFacts[];
  readonly priceRows: readonly PriceRow[];
  readonly closed: readonly ClosedRecord[];
  readonly imports: readonly ImportedRecord[];
}

const LOADED_MAX = 500;
const NOTHING: Derived = { entries: [], facts: null, priceRow: null };

/** Derives the entries of a batch in order, on the facts that the store holds. */
class Batch {
  readonly #writer: string;
  readonly #books: PriceBooks;
  readonly #facts = new Map<string, DecisionFacts>();
  readonly #changed = new Set<string>();
  readonly #entries: LedgerEntry[] = [];
  readonly #priceRows = new Map<string, PriceRow>();
  readonly #closedMonths = new Set<string>();
  readonly #closed: ClosedRecord[] = [];
  readonly #imports: ImportedRecord[] = [];
  readonly #imported = new Set<string>();

  constructor(writer: string, books: PriceBooks) {
    this.#writer = writer;
    this.#books = books;
  }

  /** Fetches the facts of decisions that are known before the batch, what was imported, and which months are closed. */
  async load(session: SqlSession, lines: readonly PlacedLine[]): Promise<void> {
    const wanted = new Set<string>();
    for (const { line } of lines) {
      if (line.kind === "decision") wanted.add(line.id);
      if (line.kind === "entry" || line.kind === "report") wanted.add(line.decision_id);
      if (line.kind === "imported") await this.#loadImport(session, line);
    }
    const ids = [...wanted];
    for (let at = 0; at < ids.length; at += LOADED_MAX) {
      const some = ids.slice(at, at + LOADED_MAX);
      const places = some.map((_id, index) => `$${index + 1}`).join(", ");
      const sql = `SELECT id, facts FROM decisions WHERE id IN (${places})`;
      for (const { facts, id } of await session.query(sql, some)) {
        this.#facts.set(String(id), JSON.parse(String(facts)) as DecisionFacts);
      }
    }
    for (const { month, tenant } of await session.query("SELECT tenant, month FROM periods")) {
      this.#closedMonths.add(periodKey(String(tenant), String(month)));
    }
  }

  async #loadImport(session: SqlSession, { id, source }: ImportedRecord): Promise<void> {
    const sql = "SELECT 1 AS found FROM imports WHERE source = $1 AND id = $2";
    const rows = await session.query(sql, [source, id]);
    if (rows.length > 0) this.#imported.add(importKey(source, id));
  }

  take(line: LogLine, number: number): void {
    const place: Place = { sequence: number, writer: this.#writer };
    if (line.kind === "imported") this.#takeImport(line, place);
    else if (line.kind === "closed") this.#takeClosed(line);
    else this.#add(this.#derive(line, place), line.at_ms);
  }

  /** What moves no money has no entry. */
  #derive(line: LogLine, place: Place): Derived {
    if (line.kind === "decision") {
      const known = this.#facts.get(line.id);
      if (known === undefined) return deriveDecision(line, place);
      return deriveLateDecision(line, place, known, this.#books);
    }
    if (line.kind === "grant") return deriveGrant(line, place);
    if (line.kind !== "entry" && line.kind !== "report") return NOTHING;
    const facts = this.#facts.get(line.decision_id) ?? unknownFacts(line.decision_id, line.at_ms);
    if (line.kind === "entry") return deriveEntry(line, place, facts, this.#books);
    return { ...NOTHING, facts: withReport(facts, line) };
  }

  #takeClosed(line: ClosedRecord): void {
    this.#closed.push(line);
    this.#closedMonths.add(periodKey(line.tenant, line.month));
  }

  #takeImport(line: ImportedRecord, place: Place): void {
    const key = importKey(line.source, line.id);
    if (this.#imported.has(key)) return;
    this.#imported.add(key);
    this.#imports.push(line);
    this.#add(deriveImported(line, place), line.at_ms);
  }

  #add({ entries, facts, priceRow }: Derived, lineMs: number): void {
    for (const entry of entries) this.#entries.push(this.#booked(entry, lineMs));
    if (facts !== null) {
      this.#facts.set(facts.id, facts);
      this.#changed.add(facts.id);
    }
    if (priceRow !== null) this.#priceRows.set(`${priceRow.book} ${priceRow.id}`, priceRow);
  }

  /** What comes into a closed month is a correction, counted when it comes. */
  #booked(entry: LedgerEntry, lineMs: number): LedgerEntry {
    const { bookedMs, detail, dimensions, kind } = entry;
    if (!this.#isClosed(dimensions.tenant, bookedMs)) return entry;
    const isCharge = kind === "settled" || kind === "imported" || kind === "expired";
    return {
      ...entry,
      bookedMs: this.#firstOpen(dimensions.tenant, Math.max(lineMs, bookedMs)),
      detail: { ...detail, flags: [...detail.flags, "closed_month"] },
      kind: isCharge ? "corrected" : kind,
    };
  }

  /** The time itself, or the start of the first month after it that is open. */
  #firstOpen(tenant: string, atMs: number): number {
    let openMs = atMs;
    while (this.#isClosed(tenant, openMs)) {
      openMs = monthSpan(monthOf(openMs))?.toMs ?? Number.MAX_SAFE_INTEGER;
    }
    return openMs;
  }

  #isClosed(tenant: string, atMs: number): boolean {
    if (this.#closedMonths.size === 0) return false;
    const month = monthOf(atMs);
    const key = (whose: string): string => periodKey(whose, month);
    return this.#closedMonths.has(key(tenant)) || this.#closedMonths.has(key("*"));
  }

  done(): DerivedBatch {
    return {
      closed: this.#closed,
      entries: this.#entries,
      facts: [...this.#changed].map((id) => this.#facts.get(id) as DecisionFacts),
      imports: this.#imports,
      priceRows: [...this.#priceRows.values()],
    };
  }
}

function periodKey(tenant: string, month: string): string {
  return `${month} ${tenant}`;
}

function importKey(source: string, id: string): string {
  return JSON.stringify([source, id]);
}
