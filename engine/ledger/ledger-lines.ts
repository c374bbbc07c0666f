import type { AttributionField } from "../intent/intent.ts";
import type { CostLayer } from "./cost-layer.ts";

/**
 * Lines that the ledger's own side writes to the log: costs that come from elsewhere, months that are
 * closed, reads by an auditor. The same rules as for the lines of `engine/record`.
 */
export type LedgerLine = ImportedRecord | ClosedRecord | ReadRecord;

const VERSION = 1;

/** A cost that no model call caused: a vector database, a tool, GPU hours, seats, a review. */
export interface ImportedRecord {
  readonly v: typeof VERSION;
  readonly kind: "imported";
  /** When it was taken in. */
  readonly at_ms: number;
  readonly actor: string;
  /** Where it came from and under which id: the same pair counts once. */
  readonly source: string;
  readonly id: string;
  /** When it was spent. */
  readonly time_ms: number;
  readonly tenant: string;
  readonly attribution: Readonly<Record<AttributionField, string>>;
  readonly layer: CostLayer;
  /** "provider:product", in the place of a model. */
  readonly product: string;
  readonly run: string;
  readonly cost_pico_usd: string;
  readonly quantity: string;
  readonly unit: string;
  readonly description: string;
}

/** A month of a tenant was closed: what is booked into it later is counted where it was booked. */
export interface ClosedRecord {
  readonly v: typeof VERSION;
  readonly kind: "closed";
  readonly at_ms: number;
  readonly actor: string;
  /** "2026-10", UTC. */
  readonly month: string;
  readonly tenant: string;
  readonly reason: string;
  /** What the month came to. */
  readonly cost_pico_usd: string;
  readonly entries: number;
}

/** An auditor looked at the ledger. */
export interface ReadRecord {
  readonly v: typeof VERSION;
  readonly kind: "read";
  readonly at_ms: number;
  readonly actor: string;
  /** What was asked: "list", "get", "summarize", "run", "periods". */
  readonly method: string;
  /** The request as canonical JSON, shortened to 1,000 characters. */
  readonly query: string;
}
