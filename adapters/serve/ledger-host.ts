import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { extname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { ERROR_CODES, type ErrorCode, WeirError } from "../../engine/errors.ts";
import type { QueryStore } from "../../engine/ledger/query.ts";
import type { Config } from "../config.ts";
import {
  isPostgres,
  type LedgerFault,
  type LedgerMessage,
  type LedgerProgress,
  type LedgerQuestion,
  type LedgerWork,
  type QueryMethod,
} from "./ledger-messages.ts";
import { dataLayout } from "./local-storage.ts";

/** The ledger's query store, kept in a thread of its own. */
export interface LedgerHost {
  readonly store: QueryStore;
  /** For how long the store has been behind the log, seconds; 0: it is not. */
  lagSeconds(): number;
  close(): Promise<void>;
}

/** When the thread starts, unless somebody asks before: a start of the service waits for nothing else. */
const START_MS = 1_000;
/** How long the store may be behind before that is a fault, and again before it is told anew. */
const ALARM_MS = 60_000;
/** How long a stop waits for the batch in hand; one that is cut off is taken in at the next start. */
const CLOSE_MS = 3_000;

/**
 * Starts the thread that follows the data folder's log. `onFault` is told when the store falls behind
 * for a minute, with the reason.
 */
export function openLedger(config: Config, onFault: (error: WeirError) => void): LedgerHost {
  const folder = join(config.data, "ledger");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const layout = dataLayout(config.data);
  return new Host(
    {
      bundlesFolder: layout.bundles,
      database: isPostgres(config.ledger) ? config.ledger : join(folder, "ledger.db"),
      logFolder: layout.log,
      writer: writerOf(folder),
    },
    onFault,
  );
}

/** Who writes this folder's log; made once. */
function writerOf(folder: string): string {
  const path = join(folder, "writer");
  if (!existsSync(path))
    writeFileSync(path, `w${randomUUID().replaceAll("-", "")}\n`, { mode: 0o600 });
  return readFileSync(path, "utf8").trim();
}

interface Waiting {
  readonly resolve: (value: never) => void;
  readonly reject: (error: WeirError) => void;
}

class Host implements LedgerHost {
  readonly store: QueryStore;
  readonly #work: LedgerWork;
  readonly #onFault: (error: WeirError) => void;
  readonly #waiting = new Map<number, Waiting>();
  readonly #timer: NodeJS.Timeout;
  #worker: Worker | null = null;
  #questions = 0;
  #caughtUpMs = performance.now();
  #alarmedMs = performance.now();
  #ended = false;

  constructor(work: LedgerWork, onFault: (error: WeirError) => void) {
    this.#work = work;
    this.#onFault = onFault;
    this.#timer = setTimeout(() => this.#started(), START_MS).unref();
    this.store = proxyOf((method, parameters) => this.#ask(method, parameters));
  }

  #started(): Worker {
    if (this.#worker !== null) return this.#worker;
    clearTimeout(this.#timer);
    // A module of the sources is .ts; the compiled package has .js, as this file has then.
    const url = new URL(`./ledger-worker${extname(import.meta.url)}`, import.meta.url);
    const worker = new Worker(url, { workerData: this.#work });
    worker.unref();
    worker.on("message", (message: LedgerMessage) => this.#hear(message, worker));
    worker.on("error", (cause) => this.#end(`its thread failed: ${String(cause)}`));
    worker.on("exit", () => this.#end("its thread has ended"));
    this.#worker = worker;
    return worker;
  }

  lagSeconds(): number {
    return (performance.now() - this.#caughtUpMs) / 1_000;
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    const worker = this.#worker;
    if (!this.#ended && worker !== null) {
      const closed = this.#ask("close", []).catch(() => undefined);
      await Promise.race([closed, sleep(CLOSE_MS, undefined, { ref: false })]);
      await worker.terminate();
    }
    this.#ended = true;
  }

  #ask<Answer>(method: LedgerQuestion["method"], parameters: readonly unknown[]): Promise<Answer> {
    if (this.#ended) return Promise.reject(unavailable("its thread has ended"));
    this.#questions += 1;
    const id = this.#questions;
    const worker = this.#started();
    // Alive for as long as somebody waits for an answer.
    worker.ref();
    return new Promise<Answer>((resolve, reject) => {
      this.#waiting.set(id, { reject, resolve: resolve as Waiting["resolve"] });
      worker.postMessage({ id, method, parameters } satisfies LedgerQuestion, []);
    });
  }

  #hear(message: LedgerMessage, worker: Worker): void {
    if (message.kind === "progress") return this.#progress(message);
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (this.#waiting.size === 0) worker.unref();
    if (message.kind === "answer") waiting?.resolve(message.value as never);
    else waiting?.reject(errorOf(message.fault));
  }

  #progress({ caughtUp, fault }: LedgerProgress): void {
    const nowMs = performance.now();
    if (caughtUp) this.#caughtUpMs = nowMs;
    const isLate = nowMs - this.#caughtUpMs > ALARM_MS && nowMs - this.#alarmedMs > ALARM_MS;
    if (caughtUp || !isLate) return;
    this.#alarmedMs = nowMs;
    const why = fault === null ? "it takes in what the log holds" : fault.message;
    const message = `the ledger's query store is ${Math.round(this.lagSeconds())} s behind the log: ${why}`;
    this.#onFault(new WeirError("ledger.unavailable", message));
  }

  #end(why: string): void {
    this.#ended = true;
    for (const { reject } of this.#waiting.values()) reject(unavailable(why));
    this.#waiting.clear();
  }
}

/** A query store that asks somebody else. */
function proxyOf(
  ask: <Answer>(method: QueryMethod, parameters: readonly unknown[]) => Promise<Answer>,
): QueryStore {
  return {
    balances: () => ask("balances", []),
    decision: (id) => ask("decision", [id]),
    decisionsOf: (tenants, run) => ask("decisionsOf", [tenants, run]),
    isImported: (source, id) => ask("isImported", [source, id]),
    list: (query) => ask("list", [query]),
    periods: (tenants) => ask("periods", [tenants]),
    positions: () => ask("positions", []),
    priceRows: () => ask("priceRows", []),
    run: (tenant, run) => ask("run", [tenant, run]),
    summarize: (query) => ask("summarize", [query]),
  };
}

function unavailable(why: string): WeirError {
  return new WeirError("ledger.unavailable", `the ledger's query store does not answer: ${why}`);
}

function errorOf({ code, message }: LedgerFault): WeirError {
  const known = Object.hasOwn(ERROR_CODES, code) ? (code as ErrorCode) : "internal";
  return new WeirError(known, message);
}
