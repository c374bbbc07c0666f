/** What the policy returned: `data.weir.decision`, checked. */
export interface Verdict {
  readonly effect: "allow" | "throttle" | "block";
  readonly obligations: Obligations;
  readonly reasons: readonly Finding[];
  /** Only with throttle; else 0. */
  readonly retry_after_ms: number;
  /** Models to try instead, best first, at most 3. */
  readonly routes: readonly string[];
}

/** One finding of one rule; code, rule, severity come from the rule's METADATA. */
export interface Finding {
  readonly code: string;
  /** Integers, strings, booleans. */
  readonly params: Readonly<Record<string, string | number | boolean>>;
  readonly rule: string;
  readonly severity: "info" | "warning" | "error" | "critical";
  /** Present and true where the rule runs in shadow: it did not count. */
  readonly shadow?: boolean;
  /** Present where a waiver covers the finding, with the waiver's id: it did not count. */
  readonly waiver?: string;
}

/** Constraints on an allowed call; absent keys mean none. */
export interface Obligations {
  readonly headers?: Readonly<Record<string, string>>;
  readonly max_output_tokens?: number;
  /** Service tier to ask the provider for: "flex". */
  readonly service_tier?: string;
  readonly strip?: readonly string[];
}

/** METADATA of a rule, from the bundle's manifest: what a finding needs to be shown. */
export interface RuleDescription {
  readonly title: string;
  readonly description: string;
  readonly severity: string;
  /** "deny", "throttle", "reroute", "oblige" or "advise". */
  readonly kind: string;
  /** Message template: "{name}" is replaced by the finding's parameter. */
  readonly message: string;
}
