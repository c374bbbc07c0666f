/** Kinds of call, as policies and records name them. */
export const OPERATIONS = [
  "chat",
  "completion",
  "embedding",
  "image",
  "audio",
  "rerank",
  "tool",
  "moderation",
] as const;
export type Operation = (typeof OPERATIONS)[number];

export const SERVICE_TIERS = ["standard", "batch", "flex", "priority"] as const;
export type ServiceTier = (typeof SERVICE_TIERS)[number];

export const SENSITIVITIES = [
  "unspecified",
  "public",
  "internal",
  "confidential",
  "restricted",
] as const;
export type Sensitivity = (typeof SENSITIVITIES)[number];

/** Attribution fields a principal may claim and a budget may select on; "" means not given. */
export const ATTRIBUTION_FIELDS = [
  "team",
  "feature",
  "service",
  "user",
  "cost_center",
  "environment",
  "customer",
] as const;
export type AttributionField = (typeof ATTRIBUTION_FIELDS)[number];
export type Attribution = Readonly<Record<AttributionField, string>>;

/** A validated intent: every string well-formed and within its limit, every count an integer. */
export interface Intent {
  readonly id: string;
  readonly principal: string;
  readonly tenant: string;
  readonly attribution: Attribution;
  readonly operation: Operation;
  /** "provider:model" as asked. */
  readonly model: string;
  readonly task: string;
  readonly tokens: IntentTokens;
  readonly data: {
    readonly sensitivity: Sensitivity;
    readonly classes: readonly string[];
    readonly residency: string;
  };
  /** id "" means: not part of a run. */
  readonly run: {
    readonly id: string;
    readonly step: number;
    readonly depth: number;
    readonly parent: string;
    readonly fingerprint: string;
  };
  readonly attempt: { readonly number: number; readonly reason: string; readonly retryOf: string };
  readonly serviceTier: ServiceTier;
  readonly release: string;
  readonly prompt: { readonly id: string; readonly version: string };
  readonly labels: Readonly<Record<string, string>>;
  readonly deadlineMs: number;
  /** Providers the caller can call instead; empty: any. A reroute leads to no other. */
  readonly providers: readonly string[];
}

export interface IntentTokens {
  readonly input: number;
  readonly inputP95: number;
  /** 0: no cap asked. */
  readonly outputMax: number;
  readonly n: number;
  readonly cacheRead: number;
  readonly cacheWrite: number;
}

/**
 * What an adapter hands over before anything is checked. Counts may still be anything a decoder
 * yields: a number, a bigint above 2^53, or a string.
 */
export interface RawIntent {
  readonly id?: unknown;
  readonly attribution?: Readonly<Record<string, unknown>> | undefined;
  readonly operation?: unknown;
  readonly model?: unknown;
  readonly task?: unknown;
  readonly tokens?: Readonly<Record<string, unknown>> | undefined;
  readonly data?: Readonly<Record<string, unknown>> | undefined;
  readonly run?: Readonly<Record<string, unknown>> | undefined;
  readonly attempt?: Readonly<Record<string, unknown>> | undefined;
  readonly serviceTier?: unknown;
  readonly release?: unknown;
  readonly prompt?: Readonly<Record<string, unknown>> | undefined;
  readonly labels?: Readonly<Record<string, unknown>> | undefined;
  readonly deadlineMs?: unknown;
  readonly providers?: unknown;
}
