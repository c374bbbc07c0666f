import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { WeirError } from "../../../engine/errors.ts";
import type { DecisionRecord, LogLine } from "../../../engine/record/record.ts";

/**
 * What the log of an earlier, killed run of the same demo holds. A run that is taken up again goes
 * through the same calls in the same order, and asks the engine only what the log does not answer.
 */
export class Journal {
  readonly #decisions = new Map<string, DecisionRecord>();
  readonly #reports = new Map<string, number>();
  #rejected = 0;

  constructor(lines: Iterable<LogLine>) {
    for (const line of lines) {
      if (line.kind === "decision") this.#decisions.set(line.reservation.idempotency_key, line);
      if (line.kind === "rejected") this.#rejected += 1;
      if (line.kind === "report") {
        const key = reportKey(line.decision_id, line.sequence);
        this.#reports.set(key, (this.#reports.get(key) ?? 0) + 1);
      }
    }
  }

  /** Decisions found. */
  get size(): number {
    return this.#decisions.size;
  }

  decision(idempotencyKey: string): DecisionRecord | null {
    return this.#decisions.get(idempotencyKey) ?? null;
  }

  /** Whether a call that will be refused was refused already; each refusal is found once. */
  takeRejected(): boolean {
    if (this.#rejected === 0) return false;
    this.#rejected -= 1;
    return true;
  }

  /** Whether a report was taken already; each one is found once. */
  takeReport(decisionId: string, sequence: number): boolean {
    const key = reportKey(decisionId, sequence);
    const left = this.#reports.get(key) ?? 0;
    if (left === 0) return false;
    this.#reports.set(key, left - 1);
    return true;
  }
}

function reportKey(decisionId: string, sequence: number): string {
  return `${decisionId}:${sequence}`;
}

/** What two runs must have in common for one to take up the other. */
export interface RunIdentity {
  readonly seed: number;
  readonly calls: number;
  /** Digest of the trace's calls. */
  readonly trace: string;
  /** Digest of the bundle. */
  readonly bundle: string;
}

const MARK = "demo.json";

/** Refuses (`config.invalid`) a data folder that holds anything but a run of this very demo; marks it. */
export function markFolder(folder: string, run: RunIdentity): void {
  const path = join(folder, MARK);
  if (!existsSync(path)) {
    // Somebody's keys would be revoked, somebody's log be written to.
    const others = readdirSync(folder).filter((name) => !name.startsWith(MARK));
    if (others.length > 0) throw refuse(folder, `holds ${others[0]}, which is not the demo's`);
    writeFileSync(`${path}.draft`, `${JSON.stringify(run)}\n`);
    renameSync(`${path}.draft`, path);
    return;
  }
  const earlier = readMark(path);
  for (const name of ["seed", "calls", "trace", "bundle"] as const) {
    if (earlier[name] === run[name]) continue;
    throw refuse(
      folder,
      `holds a demo with ${name} ${String(earlier[name])}, this one has ${run[name]}`,
    );
  }
}

function readMark(path: string): Partial<Record<keyof RunIdentity, unknown>> {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Partial<Record<keyof RunIdentity, unknown>>;
  } catch {
    return {};
  }
}

function refuse(folder: string, what: string): WeirError {
  return new WeirError(
    "config.invalid",
    `data folder ${folder} ${what}; give another folder, or the same options`,
  );
}
