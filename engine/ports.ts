import type { Decision } from "./decision/decision.ts";
import type { Masks } from "./intent/mask.ts";
import type { Posting } from "./ledger/entry.ts";
import type { LogLine, StoredDecision } from "./record/record.ts";
import type { Bundle } from "./policy/bundle.ts";
import type {
  AdjustReply,
  AdjustRequest,
  Freeze,
  Grant,
  Hold,
  ReserveReply,
  ReserveRequest,
  ScopeStatus,
  TenantFreeze,
  VelocityRequest,
} from "./reservation/reservation.ts";
import type { EndReply, SettleReply, SettleRequest } from "./reservation/lifecycle.ts";

/** Time; nothing in the engine reads a clock of its own. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  nowMs(): number;
  /** Monotonic microseconds, for timings only. */
  elapsedUs(): number;
}

/** Randomness; injected so that runs can be repeated. */
export interface Ids {
  /** 128 random bits, 32 lower-case hex characters. */
  random128(): string;
}

/**
 * Budgets, velocity, runs, freezes, reservations. Every call is atomic and idempotent; a store that
 * does not answer throws `state.unavailable`. The conformance suite in `test/conformance` holds for
 * every implementation.
 */
export interface StateStore {
  reserve(request: ReserveRequest): Promise<ReserveReply>;
  adjust(request: AdjustRequest): Promise<AdjustReply>;
  /** Marks the decision as made, so that repeats of the intent get it. */
  conclude(decisionId: string, decision: Decision): Promise<void>;
  /** Ends an open reservation without a charge; a second end changes nothing. */
  release(decisionId: string, nowMs: number): Promise<EndReply>;
  /** Releases what was held for an answer nobody got, and forgets the intent: a repeat is decided anew. */
  abandon(decisionId: string, nowMs: number): Promise<EndReply>;
  /** Posts a cumulative report. */
  settle(request: SettleRequest): Promise<SettleReply>;
  /** Ends up to `max` reservations past their deadline. */
  expire(nowMs: number, max: number): Promise<readonly EndReply[]>;
  /** The decision made under this reservation, or null if the store no longer holds it. */
  decision(decisionId: string): Promise<Decision | null>;
  /** Brings a reservation back from the log, as its lines left it; past its deadline it has expired. */
  restore(stored: StoredDecision, nowMs: number): Promise<void>;
  freeze(tenant: string, freeze: Freeze): Promise<void>;
  unfreeze(tenant: string, scope: string): Promise<void>;
  /** Every freeze of every tenant, those of the platform under "*". */
  freezes(): Promise<readonly TenantFreeze[]>;
  /** Keeps a grant, in the place of one of the same tenant, budget and id. It acts through `Hold.limit`. */
  grant(grant: Grant): Promise<void>;
  /** Every grant of every tenant that has not ended; ended ones may be among them. */
  grants(): Promise<readonly Grant[]>;
  /** The busiest scopes of a tenant, by `busiest`; looking changes no window. */
  velocity(request: VelocityRequest): Promise<readonly ScopeStatus[]>;
  /** Every balance, for checks and reports. */
  balances(): Promise<readonly Balance[]>;
  openReservations(): Promise<number>;
}

export interface Balance {
  readonly instance: string;
  readonly budget: string;
  readonly unit: Hold["unit"];
  readonly held: bigint;
  readonly settled: bigint;
}

/** The append-only log. */
export interface RecordLog {
  /** Resolves when the line is durable; rejects with `log.unavailable`. Order of calls is kept. */
  append(line: LogLine): Promise<void>;
}

/** Reads the ledger that the log implies. */
export interface Ledger {
  /** A decision and what became of it, or null. */
  find(decisionId: string): Promise<StoredDecision | null>;
}

/** Where the current policy bundle comes from. */
export interface BundleSource {
  current(): Bundle;
  /** The bundle a stored decision was made with, or null if it is gone. */
  byDigest(digest: string): Bundle | null;
}

export interface Ports {
  readonly state: StateStore;
  readonly log: RecordLog;
  readonly ledger: Ledger;
  readonly bundles: BundleSource;
  readonly clock: Clock;
  readonly ids: Ids;
  /** Words for values that a bundle wants masked; absent: they last as long as the process. */
  readonly masks?: Masks;
}

export type { Posting };
