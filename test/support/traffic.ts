import type { Decision } from "../../engine/decision/decision.ts";
import { WeirError } from "../../engine/errors.ts";
import type { RawIntent } from "../../engine/intent/intent.ts";
import type { RawReport } from "../../engine/ledger/report.ts";
import type { Random } from "./random.ts";
import { intentOf, LOCAL, type TestEngine } from "./engine.ts";

/** What the traffic keeps of one answered decision. */
interface Known {
  readonly decision: Decision;
  readonly intent: RawIntent;
  sequence: number;
  last: RawReport | null;
}

const MODELS = [
  "openai:gpt-5-mini",
  "openai:gpt-6.1-sol",
  "anthropic:claude-opus-5-5",
  "anthropic:claude-haiku-5-5",
  "google:gemini-3.8-flash",
  "groq:openai/gpt-oss-120b",
  "openai:no-such-model",
];

export interface TrafficOptions {
  /** Start of the intents' ids. */
  readonly prefix?: string;
  /** Whether the clock may step back. */
  readonly clockSteps?: boolean;
}

/** Traffic of every kind against one engine, one call after the other. */
export class Traffic {
  readonly engine: TestEngine;
  readonly #random: Random;
  readonly #known: Known[] = [];
  readonly effects = new Map<string, number>();
  readonly #options: TrafficOptions;
  #count = 0;

  constructor(engine: TestEngine, random: Random, options: TrafficOptions = {}) {
    this.engine = engine;
    this.#random = random;
    this.#options = options;
  }

  /** One random step; errors that lawful use may meet are counted, others are thrown. */
  async step(): Promise<void> {
    const random = this.#random;
    const { clock, weir } = this.engine;
    const roll = random.next();
    try {
      if (roll < 0.5) await this.#decide(this.#newIntent());
      else if (roll < 0.53 && this.#known.length > 0)
        await this.#decide(random.pick(this.#known).intent);
      else if (roll < 0.8 && this.#known.length > 0) await this.#report(this.#recent());
      else if (roll < 0.85 && this.#known.length > 0) {
        await weir.cancel(this.#recent().decision.id, LOCAL);
        this.#tally("cancel");
      } else if (roll < 0.87) {
        this.#tally("expired", await weir.sweep());
      } else if (roll < 0.98) clock.advance(random.pick([1, 40, 700, 5_000, 20_000]));
      else if (roll < 0.99) clock.advance(random.pick([150_000, 600_000, 3_600_000]));
      else if (this.#options.clockSteps !== false) clock.advance(-random.pick([10, 5_000, 90_000]));
    } catch (thrown) {
      this.#tally(WeirError.from(thrown).code);
      if (!(thrown instanceof WeirError) || thrown.code === "internal") throw thrown;
    }
  }

  async run(steps: number): Promise<void> {
    for (let count = 0; count < steps; count += 1) await this.step();
  }

  #tally(what: string, by = 1): void {
    this.effects.set(what, (this.effects.get(what) ?? 0) + by);
  }

  #recent(): Known {
    const first = Math.max(0, this.#known.length - 12);
    const index = this.#random.chance(0.9)
      ? this.#random.int(first, this.#known.length - 1)
      : this.#random.int(0, this.#known.length - 1);
    return this.#known[index] as Known;
  }

  async #decide(intent: RawIntent): Promise<void> {
    const decision = await this.engine.weir.decide(intent, LOCAL);
    this.#tally(decision.replayed ? "replayed" : decision.effect);
    if (!decision.replayed) this.#known.push({ decision, intent, last: null, sequence: 0 });
  }

  #newIntent(): RawIntent {
    const random = this.#random;
    const run = random.chance(0.3)
      ? {
          fingerprint: random.pick(["", "a", "b"]),
          id: `run-${random.int(1, 6)}`,
          step: random.int(0, 9),
        }
      : undefined;
    this.#count += 1;
    return intentOf(`${this.#options.prefix ?? "i"}${this.#count}`, {
      attempt: random.chance(0.2) ? { number: random.int(1, 3), reason: "timeout" } : undefined,
      attribution: {
        costCenter: "cc-100",
        environment: "prod",
        feature: random.pick(["answers", "suggest"]),
        service: "search-api",
        team: random.chance(0.9) ? "search" : "research",
        tenant: "acme",
        user: random.pick(["", "ada", "bo", "cy"]),
      },
      data: {
        sensitivity: random.pick(["public", "internal", "internal", "confidential", "restricted"]),
      },
      model: random.pick(MODELS),
      run,
      task: random.pick(["chat", "classify", "code", "plan"]),
      tokens: { input: random.int(1, 8_000), n: random.int(1, 2), outputMax: random.int(1, 3_000) },
    });
  }

  async #report(known: Known): Promise<void> {
    const random = this.#random;
    const again = known.last !== null && random.chance(0.15);
    const sequence =
      again || random.chance(0.1) ? Math.max(1, known.sequence) : known.sequence + random.int(1, 2);
    const input = random.int(0, 9_000);
    const output = random.chance(0.05) ? random.int(0, 90_000) : random.int(0, 3_000);
    const final = random.chance(0.6);
    const report: RawReport =
      again && known.last !== null && random.chance(0.7)
        ? known.last
        : {
            basis: random.chance(0.2) ? "estimated" : "provider",
            decisionId: known.decision.id,
            final,
            outcome: final ? random.pick(["ok", "error", "truncated"]) : "",
            sequence,
            usage: {
              cacheRead: Math.floor(input / 3),
              input,
              output,
              reasoning: Math.floor(output / 4),
            },
          };
    const result = await this.engine.weir.report(report, LOCAL);
    this.#tally(`report ${result.status}`);
    if (result.status === "superseded") return;
    known.last = report;
    known.sequence = sequence;
  }
}
