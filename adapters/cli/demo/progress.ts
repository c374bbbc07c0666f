import { setTimeout as sleep } from "node:timers/promises";
import type { Effect } from "../../../engine/decision/decision.ts";
import type { Style } from "../style.ts";
import type { Answer } from "./answer.ts";
import { busiestScopes } from "./busiest.ts";
import type { Host } from "./host.ts";
import { TRACE_START_MS } from "./mapping.ts";
import { usdText } from "./money.ts";
import type { Watcher } from "./run.ts";

/** Where progress goes. */
export interface Screen {
  readonly style: Style;
  /** Writes to a terminal that obeys cursor movements; null: there is none, lines are noted. */
  readonly draw: ((text: string) => void) | null;
  note(line: string): void;
}

const REDRAW_MS = 100;
const SCOPES_SHOWN = 4;
const BAR_CELLS = 24;
/** Lines of the view before the scopes. */
const SUMS = 3;
/** Progress without a terminal: a line for each tenth. */
const PARTS = 10;
/** Budgets that every call of their tenant falls under. */
const WHOLE_TENANT = new Set(["acme-month", "globex-month"]);

/** Shows a run as it goes: in place on a terminal, else a line now and then. */
export class Progress implements Watcher {
  readonly #screen: Screen;
  /** Trace milliseconds per millisecond; 0: as fast as it goes. */
  readonly #speed: number;
  readonly #counts: Record<Effect | "rejected", number> = {
    allow: 0,
    reroute: 0,
    throttle: 0,
    block: 0,
    rejected: 0,
  };
  #host: Host | null = null;
  #calls = 0;
  #done = 0;
  #settledBefore = 0n;
  #running = false;
  #drawnMs = 0;
  #drawnLines = 0;
  #owedMs = 0;

  constructor(screen: Screen, speed: number) {
    this.#screen = screen;
    this.#speed = speed;
  }

  opened(host: Host, calls: number, warmUpCalls: number): void {
    this.#host = host;
    this.#calls = calls;
    const { address, journal } = host;
    if (journal.size > 0) {
      this.#screen.note(
        `serving gRPC at ${address}; taking up a run whose log holds ${grouped(journal.size)} decisions`,
      );
    } else {
      this.#screen.note(
        `serving gRPC at ${address}; warming up with ${grouped(warmUpCalls)} calls over two simulated days`,
      );
    }
  }

  warmedUp(): void {
    this.#running = true;
  }

  async moving(nowMs: number, movedMs: number): Promise<void> {
    if (!this.#running) return;
    await this.#show(nowMs, false);
    if (this.#speed === 0 || this.#done === 0) return;
    this.#owedMs += movedMs / this.#speed;
    if (this.#owedMs < 5) return;
    const startMs = performance.now();
    await sleep(this.#owedMs);
    this.#owedMs -= performance.now() - startMs;
  }

  answered(_call: unknown, answer: Answer): void {
    this.#counts[answer === "rejected" ? answer : answer.effect] += 1;
    this.#done += 1;
    if (
      this.#screen.draw !== null ||
      this.#done % Math.max(1, Math.floor(this.#calls / PARTS)) !== 0
    )
      return;
    this.#screen.note(
      `${grouped(this.#done)} of ${grouped(this.#calls)} calls: ${this.#effects(", ")}`,
    );
  }

  async closing(): Promise<void> {
    this.#running = false;
    if (this.#host !== null) await this.#show(this.#host.clock.nowMs(), true);
  }

  async #show(nowMs: number, last: boolean): Promise<void> {
    const { draw } = this.#screen;
    const host = this.#host;
    if (draw === null || host === null) return;
    const drawMs = performance.now();
    if (!last && drawMs - this.#drawnMs < REDRAW_MS) return;
    this.#drawnMs = drawMs;
    const lines = await this.#lines(host, nowMs);
    // At the end only the sums stay.
    if (last) lines.splice(SUMS, lines.length, "");
    const up = this.#drawnLines === 0 ? "" : `\u001b[${this.#drawnLines}A\u001b[J`;
    draw(`${up}${lines.join("\n")}\n`);
    this.#drawnLines = lines.length;
  }

  async #lines(host: Host, nowMs: number): Promise<string[]> {
    const { style } = this.#screen;
    const { held, settled } = await this.#money(host);
    const scopes = busiestScopes(host.state, host.bundle.scopes, nowMs, SCOPES_SHOWN);
    const rows = scopes.map(({ hot, percent, rate, scope }) => {
      const share = `${percent} % of its limit`.padStart(20);
      const text = `  ${scope.padEnd(22)}${`${usdText(BigInt(rate) * 1_000n)}/min`.padStart(12)}${share}`;
      return hot ? style.yellow(`${text}  hot`) : text;
    });
    while (rows.length < SCOPES_SHOWN) rows.push("");
    const part = this.#done / Math.max(1, this.#calls);
    const full = Math.round(part * BAR_CELLS);
    const bar = `${"█".repeat(full)}${"░".repeat(BAR_CELLS - full)}`;
    const seconds = Math.max(0, Math.round((nowMs - TRACE_START_MS) / 1_000));
    const clock = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
    return [
      `${style.bold(bar)} ${grouped(this.#done)} of ${grouped(this.#calls)} calls, ${clock} into the trace`,
      `  ${this.#effects("  ")}`,
      `  spent ${usdText(settled)}  held ${usdText(held)}`,
      style.faint("  nearest to their velocity limit, last minute"),
      ...rows,
    ];
  }

  #effects(separator: string): string {
    return Object.entries(this.#counts)
      .map(([name, count]) => `${name} ${grouped(count)}`)
      .join(separator);
  }

  /** Settled since the warm-up, and held now, pico-USD. */
  async #money(host: Host): Promise<{ readonly held: bigint; readonly settled: bigint }> {
    let held = 0n;
    let settled = 0n;
    for (const balance of await host.state.balances()) {
      if (!WHOLE_TENANT.has(balance.budget)) continue;
      held += balance.held;
      settled += balance.settled;
    }
    if (this.#drawnLines === 0) this.#settledBefore = settled;
    return { held: held * 1_000n, settled: (settled - this.#settledBefore) * 1_000n };
  }
}

/** A whole number with its thousands apart. */
export function grouped(count: number): string {
  return String(count).replaceAll(/\B(?=(\d{3})+$)/g, ",");
}
