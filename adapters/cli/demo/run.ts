import { performance } from "node:perf_hooks";
import { WeirError } from "../../../engine/errors.ts";
import { type LedgerCheck, verifyLedger } from "../../../engine/ledger/verify.ts";
import { parseIntent } from "../../../engine/intent/parse.ts";
import { identify } from "../../../engine/reservation/request.ts";
import { type Answer, answerFromDecision, answerFromMessage, answerFromRecord } from "./answer.ts";
import { type Host, openHost, type RunOptions } from "./host.ts";
import { mapCalls, type PlannedCall } from "./mapping.ts";
import { EventQueue } from "./queue.ts";
import { planReports, type PlannedReport } from "./reports.ts";
import { type Tally, tallyRun } from "./tally.ts";
import { intentMessage, reportMessage } from "./wire.ts";
import { planWarmUp } from "./warm-up.ts";

/** What watches a run. All times are of the trace. */
export interface Watcher {
  opened(host: Host, calls: number, warmUpCalls: number): void;
  warmedUp(): void;
  /** Before the clock moves to `nowMs`; the run waits for the promise. */
  moving(nowMs: number, movedMs: number): Promise<void> | void;
  answered(call: PlannedCall, answer: Answer): void;
  closing(): Promise<void> | void;
}

/** What came of a run. */
export interface RunResult {
  readonly tally: Tally;
  readonly check: LedgerCheck;
  readonly openReservations: number;
  /** Milliseconds of each decision over gRPC, as the caller saw it; empty if an earlier run made them all. */
  readonly latencies: readonly number[];
  /** Calls whose decisions an earlier, killed run had made. */
  readonly resumed: number;
  readonly warmUpCalls: number;
}

/** Runs the whole demo on a data folder, or the rest of it where an earlier run was killed. */
export async function runDemo(options: RunOptions, watcher: Watcher): Promise<RunResult> {
  const calls = mapCalls(options.trace, options.seed);
  const warmUp = planWarmUp(options.trace, options.seed);
  const host = await openHost(options);
  try {
    const runner = new Runner(host, watcher);
    watcher.opened(host, calls.length, warmUp.length);
    await runner.run(warmUp, new InProcess(host));
    watcher.warmedUp();
    const overGrpc = new OverGrpc(host, watcher);
    await runner.run(calls, overGrpc);
    await watcher.closing();
    await runner.passDeadlines();
    const [balances, openReservations] = await Promise.all([
      host.state.balances(),
      host.state.openReservations(),
    ]);
    await host.close();
    const lines = [...host.lines()];
    return {
      check: verifyLedger(lines, balances),
      latencies: overGrpc.latencies,
      openReservations,
      resumed: overGrpc.resumed,
      tally: tallyRun(calls, lines, host.bundle),
      warmUpCalls: warmUp.length,
    };
  } finally {
    await host.close();
  }
}

/** How calls and reports reach the engine. */
interface Ingress {
  decide(call: PlannedCall): Promise<Answer>;
  report(report: PlannedReport): Promise<void>;
}

/** Moves the clock from event to event; what has one time is done, one by one, before it moves on. */
class Runner {
  readonly #host: Host;
  readonly #watcher: Watcher;
  readonly #ttlMs: number;

  constructor(host: Host, watcher: Watcher) {
    this.#host = host;
    this.#watcher = watcher;
    this.#ttlMs = host.bundle.data.limits.reservation_ttl_ms;
  }

  async run(calls: readonly PlannedCall[], ingress: Ingress): Promise<void> {
    const queue = new EventQueue(calls);
    for (let event = queue.next(); event !== null; event = queue.next()) {
      if (event.atMs > this.#host.clock.nowMs()) await this.#moveTo(event.atMs);
      if (event.kind === "report") {
        await ingress.report(event.report);
        continue;
      }
      const answer = await ingress.decide(event.call);
      if (answer === "rejected" || (answer.effect !== "allow" && answer.effect !== "reroute"))
        continue;
      for (const report of planReports(event.call, answer, this.#ttlMs)) queue.add(report);
    }
  }

  /** Past the deadline of everything that is still held. */
  async passDeadlines(): Promise<void> {
    await this.#moveTo(this.#host.clock.nowMs() + this.#ttlMs + 2_000);
  }

  async #moveTo(nowMs: number): Promise<void> {
    const { clock, weir } = this.#host;
    await weir.idle();
    await this.#watcher.moving(nowMs, nowMs - clock.nowMs());
    if (nowMs > clock.nowMs()) clock.set(nowMs);
    while ((await weir.sweep()) > 0);
  }
}

/** The warm-up goes straight to the engine. */
class InProcess implements Ingress {
  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  async decide({ intent, principal }: PlannedCall): Promise<Answer> {
    const { journal, weir } = this.#host;
    const { key, answers } = identity(intent, principal);
    const recorded = journal.decision(key);
    if (recorded !== null) return answerFromRecord(recorded, answers);
    return answerFromDecision(await weir.decide(intent, { principal }), answers);
  }

  async report({ principal, ...report }: PlannedReport): Promise<void> {
    const { journal, weir } = this.#host;
    if (journal.takeReport(report.decisionId, report.sequence)) return;
    await weir.report(report, { principal });
  }
}

/** The trace's calls go through gRPC, each as its own service. */
class OverGrpc implements Ingress {
  readonly latencies: number[] = [];
  resumed = 0;
  readonly #host: Host;
  readonly #watcher: Watcher;

  constructor(host: Host, watcher: Watcher) {
    this.#host = host;
    this.#watcher = watcher;
  }

  async decide(call: PlannedCall): Promise<Answer> {
    const answer = await this.#answer(call);
    this.#watcher.answered(call, answer);
    return answer;
  }

  async report(report: PlannedReport): Promise<void> {
    const { client, journal } = this.#host;
    if (journal.takeReport(report.decisionId, report.sequence)) return;
    await client(report.principal).report(reportMessage(report));
  }

  async #answer({ intent, principal, trouble }: PlannedCall): Promise<Answer> {
    const { client, journal } = this.#host;
    const { key, answers } = identity(intent, principal);
    const recorded = journal.decision(key);
    if (recorded !== null) {
      this.resumed += 1;
      return answerFromRecord(recorded, answers);
    }
    if (trouble === "impostor" && journal.takeRejected()) {
      this.resumed += 1;
      return "rejected";
    }
    const startMs = performance.now();
    try {
      const decision = await client(principal).decide(intentMessage(intent));
      this.latencies.push(performance.now() - startMs);
      return answerFromMessage(decision, answers);
    } catch (thrown) {
      // Refused at the door; anything else is a fault that ends the demo.
      if (WeirError.from(thrown).code === "auth.denied") return "rejected";
      throw thrown;
    }
  }
}

function identity(intent: PlannedCall["intent"], principal: string) {
  const parsed = parseIntent(intent, principal);
  return { answers: parsed.tokens.n, key: identify(parsed).key };
}
