import type { CallDecision, CallReport, CallScope, Settlement } from "./decision.ts";
import type { TransportError } from "./transport.ts";

/** Another provider that calls may be rerouted to. */
export interface RerouteTarget {
  /** Where its API is mounted: "https://api.groq.com/openai/v1". */
  readonly baseUrl: string;
  /** Whose form of requests it takes; default: its own for Anthropic, else OpenAI's. */
  readonly api?: "openai" | "anthropic";
  /** Headers it wants, its key among them; those of the first provider are left out. */
  readonly headers: Readonly<Record<string, string>>;
}

/** How a client of Weir behaves; everything but the server has a default. */
export interface ClientOptions {
  /** API key of Weir. */
  readonly key?: string;
  /** What calls are for unless something narrower says otherwise. */
  readonly defaults?: CallScope;
  /**
   * What happens to calls while Weir does not answer: "closed" (the default) refuses them with a 503;
   * "open" lets them run unseen by budgets, tells `onOpen`, and marks the answer `x-weir-effect: open`.
   */
  readonly failMode?: "closed" | "open";
  /** Longest a call waits for its decision, ms, retries included; default 2000. */
  readonly decideTimeoutMs?: number;
  /** Longest one try of a report takes, ms; default 5000. */
  readonly reportTimeoutMs?: number;
  /** Reports that may wait for Weir; default 10000. */
  readonly reportsPendingMax?: number;
  /** Provider by host, for hosts that are not the providers' own: {"llm.internal:8080": "openai"}. */
  readonly providers?: Readonly<Record<string, string>>;
  /** Providers by name that calls may be rerouted to, beside their own. */
  readonly targets?: Readonly<Record<string, RerouteTarget>>;
  /**
   * What happens to calls that are no model call known here, or whose body cannot be read: "block" (the
   * default) or "pass". Lists, files and token counts always pass.
   */
  readonly unknownCalls?: "block" | "pass";
  /** False: streams are not asked to tell their usage; those that do not are estimated. */
  readonly askUsage?: boolean;
  /** The fetch that reaches the providers; default: the runtime's own. */
  readonly fetch?: typeof fetch;
  readonly onDecision?: (decision: CallDecision) => void;
  readonly onOpen?: (why: TransportError) => void;
  readonly onSettled?: (settlement: Settlement) => void;
  /** Told of every report that is given up; default: a line on the console. */
  readonly onLost?: (report: CallReport, why: TransportError) => void;
}
