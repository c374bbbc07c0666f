import { hash } from "node:crypto";

import type {
  BundleRecord,
  ControlRecord,
  DecisionRecord,
  GrantRecord,
  LogLine,
} from "../record/record.ts";

/** A stretch of time, both ends included, epoch ms. */
export interface Span {
  readonly from_ms: number;
  readonly until_ms: number;
}

/** Decisions of one tenant that were not enforced, or not held against budgets. */
export interface Period extends Span {
  readonly tenant: string;
  readonly decisions: number;
  /** How many of them the policy would not have allowed. */
  readonly not_allowed: number;
}

/** What happened in a stretch of a log. */
export interface AuditReport {
  readonly from_ms: number;
  readonly until_ms: number;
  readonly records: number;
  readonly decisions: number;
  readonly reports: number;
  /** Answers by effect. */
  readonly effects: Readonly<Record<string, number>>;
  /** Decisions that carry a reason, by its code. */
  readonly reasons: Readonly<Record<string, number>>;
  /** Refusals at the door, by error code. */
  readonly rejected: Readonly<Record<string, number>>;
  /** Decisions by the bundle that made them. */
  readonly bundles: Readonly<Record<string, number>>;
  /** Whoever was given more than a budget allows, and by whom. */
  readonly grants: readonly GrantRecord[];
  /** Decisions that a waiver of the bundle's data let through, by the waiver's id. */
  readonly waivers: Readonly<Record<string, number>>;
  /** Stretches in shadow. */
  readonly shadow: readonly Period[];
  /** Stretches in which calls ran without the guarantee of their budgets. */
  readonly fail_open: readonly Period[];
  /** Stretches without any record. */
  readonly gaps: readonly Span[];
  /** Every change that somebody made, with its number in the log. */
  readonly changes: readonly { readonly number: number; readonly record: ChangeRecord }[];
  /** Ids of decisions drawn by their digest: the same log gives the same draw, and nobody chose. */
  readonly samples: readonly string[];
}

export type ChangeRecord = Exclude<
  LogLine,
  { kind: "decision" | "entry" | "imported" | "read" | "rejected" | "report" }
>;

export interface ReportOptions {
  readonly fromMs: number;
  readonly untilMs: number;
  /** A stretch without records counts as a gap from this length on, ms. */
  readonly gapMs: number;
  readonly samples: number;
}

/** Gathers a report from the records of a log, in order; memory does not grow with the decisions. */
export class ReportBuilder {
  readonly #options: ReportOptions;
  readonly #effects = new Map<string, number>();
  readonly #reasons = new Map<string, number>();
  readonly #rejected = new Map<string, number>();
  readonly #bundles = new Map<string, number>();
  readonly #grants: GrantRecord[] = [];
  readonly #waivers = new Map<string, number>();
  readonly #changes: { number: number; record: ChangeRecord }[] = [];
  readonly #shadow = new Periods();
  readonly #failOpen = new Periods();
  readonly #gaps: Span[] = [];
  readonly #samples: { readonly id: string; readonly rank: string }[] = [];
  #records = 0;
  #decisions = 0;
  #reports = 0;
  #latestMs: number;

  constructor(options: ReportOptions) {
    this.#options = options;
    this.#latestMs = options.fromMs;
  }

  take(number: number, line: LogLine): void {
    const { fromMs, untilMs } = this.#options;
    if (line.at_ms < fromMs || line.at_ms >= untilMs) return;
    this.#records += 1;
    this.#passTo(line.at_ms);
    switch (line.kind) {
      case "decision":
        this.#takeDecision(line);
        return;
      case "report":
        this.#reports += 1;
        return;
      case "rejected":
        count(this.#rejected, line.code);
        return;
      case "entry":
      case "imported":
      case "read":
        return;
      case "grant":
        this.#grants.push(line);
        this.#changes.push({ number, record: line });
        return;
      case "freeze":
      case "bundle":
      case "control":
      case "closed":
        this.#changes.push({ number, record: line });
    }
  }

  result(nowMs: number): AuditReport {
    const { fromMs, untilMs } = this.#options;
    this.#passTo(Math.min(untilMs, Math.max(nowMs, fromMs)));
    return {
      from_ms: fromMs,
      until_ms: untilMs,
      records: this.#records,
      decisions: this.#decisions,
      reports: this.#reports,
      effects: sorted(this.#effects),
      reasons: sorted(this.#reasons),
      rejected: sorted(this.#rejected),
      bundles: sorted(this.#bundles),
      grants: this.#grants,
      waivers: sorted(this.#waivers),
      shadow: this.#shadow.all(),
      fail_open: this.#failOpen.all(),
      gaps: this.#gaps,
      changes: this.#changes,
      samples: this.#samples.map(({ id }) => id),
    };
  }

  #takeDecision(record: DecisionRecord): void {
    const { decision } = record;
    this.#decisions += 1;
    count(this.#effects, decision.effect);
    count(this.#bundles, record.bundle.digest);
    for (const code of new Set(decision.reasons.map((reason) => reason.code)))
      count(this.#reasons, code);
    for (const id of new Set(decision.reasons.flatMap(({ waiver }) => waiver ?? [])))
      count(this.#waivers, id);
    const isShadow = record.mode === "shadow";
    this.#shadow.take(record, isShadow, isShadow && decision.would_be !== "allow");
    this.#failOpen.take(record, decision.admission !== "" && !isShadow, false);
    this.#draw(record.id);
  }

  #draw(id: string): void {
    const { samples } = this.#options;
    const rank = hash("sha256", id);
    const last = this.#samples.at(-1);
    if (this.#samples.length >= samples && (last === undefined || rank >= last.rank)) return;
    this.#samples.push({ id, rank });
    this.#samples.sort((one, other) => (one.rank < other.rank ? -1 : 1));
    if (this.#samples.length > samples) this.#samples.pop();
  }

  #passTo(atMs: number): void {
    // From the beginning: what was before the first record is no gap.
    if (this.#latestMs > 0 && atMs - this.#latestMs >= this.#options.gapMs) {
      this.#gaps.push({ from_ms: this.#latestMs, until_ms: atMs });
    }
    if (atMs > this.#latestMs) this.#latestMs = atMs;
  }
}

/** Stretches of a tenant's decisions that are of one kind, up to its next one that is not. */
class Periods {
  readonly #open = new Map<string, { -readonly [Key in keyof Period]: Period[Key] }>();
  readonly #closed: Period[] = [];

  take({ at_ms: atMs, tenant }: DecisionRecord, isOfKind: boolean, isNotAllowed: boolean): void {
    const open = this.#open.get(tenant);
    if (!isOfKind) {
      if (open !== undefined) this.#closed.push(open);
      this.#open.delete(tenant);
      return;
    }
    const more = isNotAllowed ? 1 : 0;
    if (open === undefined) {
      this.#open.set(tenant, {
        decisions: 1,
        from_ms: atMs,
        not_allowed: more,
        tenant,
        until_ms: atMs,
      });
      return;
    }
    open.decisions += 1;
    open.not_allowed += more;
    open.until_ms = Math.max(open.until_ms, atMs);
  }

  all(): readonly Period[] {
    return [...this.#closed, ...this.#open.values()].toSorted(
      (one, other) => one.from_ms - other.from_ms,
    );
  }
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** Largest first. */
function sorted(counts: ReadonlyMap<string, number>): Readonly<Record<string, number>> {
  return Object.fromEntries([...counts].toSorted(([, one], [, other]) => other - one));
}

/** A change in a few words: who did what to what. */
export function changeWords(record: ChangeRecord): string {
  switch (record.kind) {
    case "freeze":
      return `${record.actor} ${record.frozen ? "froze" : "unfroze"} ${record.scope} of ${record.tenant}: ${record.reason}`;
    case "grant":
      return `${record.actor} raised ${record.budget} of ${record.tenant} from ${record.limit_before} to ${record.limit_after} ${record.unit}: ${record.reason}`;
    case "bundle":
      return bundleWords(record);
    case "control":
      return controlWords(record);
    case "closed":
      return `${record.actor} closed ${record.month} of ${record.tenant}: ${record.reason}`;
  }
}

function bundleWords({ actor = "the service", change, digest, reason }: BundleRecord): string {
  const name = digest === "" ? "a bundle" : `bundle ${digest.slice(0, 12)}`;
  if (change === "refused") return `${name} was refused: ${reason}`;
  if (change === "rolled_back") return `${actor} went back to ${name}: ${reason}`;
  return `${actor} made ${name} decide`;
}

function controlWords({ action, actor, after, before, reason, subject }: ControlRecord): string {
  const from = before === "" ? "" : ` from ${before}`;
  const to = after === "" ? "" : ` to ${after}`;
  return `${actor}: ${action}${subject === "" ? "" : ` ${subject}`}${from}${to}: ${reason}`;
}
