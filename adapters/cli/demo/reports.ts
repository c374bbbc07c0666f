import type { PlannedCall } from "./mapping.ts";

/** How a call ended, as the caller says. */
type Outcome = "ok" | "error" | "truncated";

/** One report, to be sent at its time. */
export interface PlannedReport {
  readonly atMs: number;
  readonly decisionId: string;
  readonly principal: string;
  readonly sequence: number;
  readonly final: boolean;
  readonly outcome: Outcome;
  readonly usage: { readonly input: number; readonly output: number };
}

/** An admission, as far as reports depend on it. */
export interface Admission {
  readonly decisionId: string;
  /** Answers, made side by side. */
  readonly answers: number;
  /** Most output tokens they may have. */
  readonly outputCap: number;
}

/** How long a call takes: until its first token, and for each token. */
const FIRST_TOKEN_MS = 400;
const TOKEN_MS = 18;
const AGAIN_MS = 2_000;
const LATE_MS = 25_000;

/**
 * What the caller of an admitted call reports, and when. A well-behaved one: once, final, when the
 * answer is complete. The others: in two parts; the same report twice; after the reservation ended;
 * more output than the cap allows; a failure that cost the input alone; nothing at all.
 */
export function planReports(
  call: PlannedCall,
  { answers, decisionId, outputCap }: Admission,
  ttlMs: number,
): readonly PlannedReport[] {
  const output = Math.min(call.outputTokens, outputCap);
  const afterMs = (tokens: number) => FIRST_TOKEN_MS + Math.ceil(tokens / answers) * TOKEN_MS;
  const doneMs = call.atMs + afterMs(output);
  const whole: PlannedReport = {
    atMs: doneMs,
    decisionId,
    principal: call.principal,
    sequence: 1,
    final: true,
    outcome: output < call.outputTokens ? "truncated" : "ok",
    usage: { input: call.inputTokens, output },
  };
  switch (call.reporting) {
    case "once":
      return [whole];
    case "in_parts": {
      const half = Math.floor(output / 2);
      const part = {
        ...whole,
        atMs: call.atMs + afterMs(half),
        final: false,
        usage: { input: call.inputTokens, output: half },
      };
      return [part, { ...whole, sequence: 2 }];
    }
    case "twice":
      return [whole, { ...whole, atMs: doneMs + AGAIN_MS }];
    case "late":
      return [{ ...whole, atMs: call.atMs + ttlMs + LATE_MS }];
    case "over_cap": {
      const usage = { input: call.inputTokens, output: outputCap + Math.ceil(outputCap / 4) };
      return [{ ...whole, outcome: "ok", usage }];
    }
    case "failed":
      return [{ ...whole, outcome: "error", usage: { input: call.inputTokens, output: 0 } }];
    case "never":
      return [];
  }
}
