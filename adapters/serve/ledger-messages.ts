import type { QueryStore } from "../../engine/ledger/query.ts";

/** What the ledger's thread is given when it starts. */
export interface LedgerWork {
  readonly logFolder: string;
  /** Bundles by digest, for their price books. */
  readonly bundlesFolder: string;
  /** Who writes this log. */
  readonly writer: string;
  /** A file of SQLite, or the URL of a Postgres. */
  readonly database: string;
}

/** Whether the ledger is kept in a Postgres; else in a file. */
export function isPostgres(database: string): boolean {
  return /^postgres(ql)?:/.test(database);
}

export type QueryMethod = keyof QueryStore;

/** A question to the thread; "close" ends it. */
export interface LedgerQuestion {
  readonly id: number;
  readonly method: QueryMethod | "close";
  readonly parameters: readonly unknown[];
}

/** An error as it crosses threads. */
export interface LedgerFault {
  readonly code: string;
  readonly message: string;
}

/** What the thread says: an answer to a question, or how far it has come. */
export type LedgerMessage =
  | { readonly kind: "answer"; readonly id: number; readonly value: unknown }
  | { readonly kind: "refusal"; readonly id: number; readonly fault: LedgerFault }
  | LedgerProgress;

export interface LedgerProgress {
  readonly kind: "progress";
  /** Number of the last line that is stored. */
  readonly position: number;
  /** Whether that was the end of the log. */
  readonly caughtUp: boolean;
  /** Why it does not go on; null: it does. */
  readonly fault: LedgerFault | null;
}
