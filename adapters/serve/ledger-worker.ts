import { setTimeout as sleep } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";
import { WeirError } from "../../engine/errors.ts";
import { Ingest } from "../ledger/ingest.ts";
import type { SqlConnection } from "../ledger/connection.ts";
import { SqlQueryStore } from "../ledger/store.ts";
import { PostgresConnection } from "../postgres/connection.ts";
import { SqliteConnection } from "../sqlite/connection.ts";
import {
  isPostgres,
  type LedgerFault,
  type LedgerMessage,
  type LedgerQuestion,
  type LedgerWork,
} from "./ledger-messages.ts";
import { LogTail } from "./log-tail.ts";
import { archivedPriceBooks } from "./price-books.ts";

/** The thread that keeps the ledger's query store up with the log, and answers questions to it. */

const BATCH_LINES = 1_000;
/** How often news is looked for while nobody asks. */
const IDLE_MS = 200;
/** How long an answer waits for what the log already holds. */
const CATCH_UP_MS = 2_000;
const RETRY_MS = { first: 100, most: 5_000 };

const work = workerData as LedgerWork;
const port = parentPort;
if (port === null) throw new Error("this module runs as a worker thread");
const say = (message: LedgerMessage): void => port.postMessage(message);

class LedgerThread {
  #connection: SqlConnection | null = null;
  #store: SqlQueryStore | null = null;
  #ingest: Ingest | null = null;
  #tail: LogTail | null = null;
  #turn: Promise<unknown> = Promise.resolve();
  #closed = false;

  async run(): Promise<void> {
    let waitMs = IDLE_MS;
    while (!this.#closed) {
      try {
        const caughtUp = await this.#exclusive(() => this.#step());
        waitMs = caughtUp ? IDLE_MS : 0;
      } catch (thrown) {
        waitMs = waitMs < RETRY_MS.first ? RETRY_MS.first : Math.min(waitMs * 2, RETRY_MS.most);
        say({
          caughtUp: false,
          fault: faultOf(thrown),
          kind: "progress",
          position: this.#position,
        });
      }
      await sleep(waitMs);
    }
  }

  async answer({ id, method, parameters }: LedgerQuestion): Promise<void> {
    try {
      const value = await this.#exclusive(() =>
        method === "close" ? this.#close() : this.#ask(method, parameters),
      );
      say({ id, kind: "answer", value });
    } catch (thrown) {
      say({ fault: faultOf(thrown), id, kind: "refusal" });
    }
  }

  async #ask(
    method: Exclude<LedgerQuestion["method"], "close">,
    parameters: readonly unknown[],
  ): Promise<unknown> {
    const untilMs = performance.now() + CATCH_UP_MS;
    while (!(await this.#step()) && performance.now() < untilMs);
    const store = this.#store as SqlQueryStore;
    const ask = store[method].bind(store) as (...given: readonly unknown[]) => Promise<unknown>;
    return ask(...parameters);
  }

  /** Takes in one batch; true once the end of the log is reached. */
  async #step(): Promise<boolean> {
    const { ingest, tail } = await this.#opened();
    try {
      const lines = tail.next(BATCH_LINES);
      await ingest.take(lines);
      const caughtUp = lines.length < BATCH_LINES;
      say({ caughtUp, fault: null, kind: "progress", position: tail.position });
      return caughtUp;
    } catch (thrown) {
      // The tail is ahead of what is stored: the next time begins at the stored position again.
      this.#tail = null;
      throw thrown;
    }
  }

  async #opened(): Promise<{ readonly ingest: Ingest; readonly tail: LogTail }> {
    if (this.#closed) throw new WeirError("ledger.unavailable", "the ledger is closed");
    this.#connection ??= await openDatabase(work.database);
    this.#store ??= new SqlQueryStore(this.#connection);
    this.#ingest ??= new Ingest(
      this.#connection,
      work.writer,
      archivedPriceBooks(work.bundlesFolder),
    );
    this.#tail ??= new LogTail(work.logFolder, await this.#ingest.position());
    return { ingest: this.#ingest, tail: this.#tail };
  }

  async #close(): Promise<void> {
    this.#closed = true;
    await this.#connection?.close();
    port?.close();
  }

  get #position(): number {
    return this.#tail?.position ?? 0;
  }

  /** One thing after the other: a question is not asked in the middle of a batch. */
  #exclusive<Result>(run: () => Promise<Result>): Promise<Result> {
    const done = this.#turn.then(run);
    this.#turn = done.catch(() => undefined);
    return done;
  }
}

async function openDatabase(database: string): Promise<SqlConnection> {
  return isPostgres(database) ? PostgresConnection.open(database) : new SqliteConnection(database);
}

function faultOf(thrown: unknown): LedgerFault {
  const error = thrown instanceof WeirError ? thrown : null;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return { code: error?.code ?? "ledger.unavailable", message };
}

const thread = new LedgerThread();
port.on("message", (question: LedgerQuestion) => void thread.answer(question));
await thread.run();
