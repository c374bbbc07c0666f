import { Attempts } from "./attempts.ts";
import type {
  CallDecision,
  CallIntent,
  CallReport,
  CallScope,
  RunScope,
  Settlement,
} from "./decision.ts";
import { askWeir, type Passage } from "./gate.ts";
import type { ClientOptions } from "./options.ts";
import { ReportQueue } from "./reports.ts";
import type { Transport, TransportError } from "./transport.ts";

/** How often what happened. */
export interface CallCounts {
  allowed: number;
  rerouted: number;
  throttled: number;
  blocked: number;
  /** Ran without a decision, the fail mode being open. */
  open: number;
  /** Refused because Weir did not answer. */
  unavailable: number;
}

/** Runs whose steps are counted here; the oldest leave. */
const RUNS_MAX = 10_000;

/** What every way into Weir shares: asking, reporting, counting. */
export class Core {
  readonly options: ClientOptions;
  readonly attempts = new Attempts(() => Date.now());
  readonly reports: ReportQueue;
  readonly counts: CallCounts = {
    allowed: 0,
    blocked: 0,
    open: 0,
    rerouted: 0,
    throttled: 0,
    unavailable: 0,
  };
  readonly #transport: Transport;
  readonly #steps = new Map<string, number>();

  constructor(transport: Transport, options: ClientOptions) {
    this.options = options;
    this.#transport = transport;
    this.reports = new ReportQueue({
      transport,
      onLost: options.onLost ?? sayLost,
      onSettled: options.onSettled ?? (() => {}),
      pendingMax: options.reportsPendingMax ?? 10_000,
      timeoutMs: options.reportTimeoutMs ?? 5_000,
    });
  }

  /** Asks for a decision, counts the answer and tells who wants to know; never rejects. */
  async ask(intent: CallIntent): Promise<Passage> {
    const { decideTimeoutMs = 2_000, failMode = "closed", onDecision, onOpen } = this.options;
    const passage = await askWeir(intent, {
      decideTimeoutMs,
      failMode,
      transport: this.#transport,
    });
    this.counts[countOf(passage)] += 1;
    if (passage.kind === "open") onOpen?.(passage.why);
    else if (passage.decision !== null) onDecision?.(passage.decision);
    return passage;
  }

  report(report: CallReport): Promise<Settlement | null> {
    return this.reports.push(report);
  }

  /** Releases what is held for a call that was not made; a failure leaves it to its deadline. */
  async release(decision: CallDecision): Promise<void> {
    await this.#transport.cancel(decision.id, 5_000).catch(() => undefined);
  }

  /** The number of the next step of a run, or the one the run says. */
  nextStep(run: RunScope | undefined): number {
    if (run === undefined) return 0;
    const step = run.step ?? (this.#steps.get(run.id) ?? 0) + 1;
    this.#steps.delete(run.id);
    this.#steps.set(run.id, step);
    const [oldest] = this.#steps.keys();
    if (this.#steps.size > RUNS_MAX && oldest !== undefined) this.#steps.delete(oldest);
    return step;
  }

  /** The step a run is at. */
  stepOf(run: RunScope | undefined): number {
    return run === undefined ? 0 : (run.step ?? this.#steps.get(run.id) ?? 0);
  }

  /** Goes on from the step another process was at. */
  continueRun(scope: CallScope, step: number): void {
    if (scope.run !== undefined && step > this.stepOf(scope.run)) {
      this.#steps.set(scope.run.id, step);
    }
  }

  close(): void {
    this.#transport.close();
  }
}

function countOf(passage: Passage): keyof CallCounts {
  if (passage.kind === "open") return "open";
  if (passage.kind === "go") return passage.decision.effect === "reroute" ? "rerouted" : "allowed";
  const { kind } = passage.refusal;
  return kind === "fault" ? "unavailable" : kind;
}

function sayLost(report: CallReport, why: TransportError): void {
  const { decisionId, usage } = report;
  const used = usage === undefined ? "" : `, ${usage.input} tokens in, ${usage.output} out`;
  console.error(`weir: the report of decision ${decisionId}${used} was not taken: ${why.message}`);
}
