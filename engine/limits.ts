/**
 * Every limit on input, in one place. Counts are inclusive; lengths are UTF-16 code units unless
 * they say bytes.
 */
export const LIMITS = {
  /** Largest gRPC or HTTP message taken, bytes. */
  messageBytes: 256 * 1024,
  /** Largest request body that is judged on its way through a proxy, bytes. */
  proxiedBodyBytes: 8 * 1024 * 1024,
  /** Largest call to a provider that is decided on over HTTP, its body and all, bytes. */
  callBytes: 8 * 1024 * 1024,
  /** Longest identifier: intent id, attribution fields, model, run id. */
  idChars: 128,
  /** Longest short word: task, class, residency, reason, version. */
  wordChars: 64,
  /** Longest reason an operator gives. */
  reasonChars: 256,
  /** Longest path or URL of a bundle. */
  sourceChars: 4_096,
  labels: 32,
  labelKeyChars: 63,
  labelValueChars: 256,
  dataClasses: 16,
  /** Providers an intent may name as those that can be called instead. */
  providers: 16,
  /** Largest token count of an intent. */
  tokens: 100_000_000,
  /** Largest token count of a report. */
  reportedTokens: 1_000_000_000,
  /** Largest usage in a provider's own form, bytes of JSON. */
  rawUsageBytes: 64 * 1024,
  /** Members of a provider's usage that a report may name as not known. */
  unknownUsage: 8,
  answers: 128,
  runStep: 1_000_000,
  runDepth: 1_000,
  attempt: 1_000,
  deadlineMs: 604_800_000,
  reportSequence: 1_000_000,
  /** Candidates for a reroute that are sent to the policy. */
  candidates: 5,
  /** Candidates for a reroute that are tried. */
  routesTried: 3,
  /** Budgets of one tenant that may match one intent. */
  budgetsPerIntent: 64,
  /** Distinct step fingerprints counted per run; the oldest leave. */
  fingerprintsPerRun: 256,
  /** Velocity scopes kept per tenant; beyond, the one idle for longest makes room, see ScopeTable. */
  scopesPerTenant: 50_000,
  /** Runs kept per tenant; beyond, the one idle for longest makes room. */
  runsPerTenant: 50_000,
  /** Longest life of a reservation, ms. */
  reservationTtlMs: 86_400_000,
  /** How long after its end a report for a decision is taken, ms. */
  lateReportMs: 7 * 24 * 3_600_000,
  /** How long after its deadline an intent's idempotency entry is kept, ms. */
  idempotencyGraceMs: 600_000,
  /** Longest rolling window of a budget, seconds. */
  rollingSeconds: 31 * 86_400,
  /** Parts a rolling window is counted in. */
  rollingBuckets: 60,
  /** Largest limit of a money budget, micro-USD (1e12 USD would not fit 64-bit nano-USD). */
  budgetMicroUsd: 9_000_000_000_000_000,
  /** Largest limit of a budget in tokens or calls. */
  budgetCount: 9_000_000_000_000_000,
  /** Waivers and entries of hours that a bundle may hold. */
  waivers: 1_000,
  hours: 100,
  /** How far ahead a grant may end, ms. */
  grantMs: 366 * 86_400_000,
  /** Budget instances or velocity scopes that one answer to an operator lists. */
  listed: 1_000,
  /** Largest bundle archive as it is fetched or read, bytes. */
  bundleBytes: 16 * 1024 * 1024,
  /** Largest sum of a bundle's files, bytes. */
  bundleUnpackedBytes: 64 * 1024 * 1024,
  /** Smoke cases in a bundle. */
  smokeCases: 10_000,
  /** Files in a bundle. */
  bundleFiles: 1_000,
  /** Entries of one page of the ledger. */
  ledgerPage: 1_000,
  /** Fields of a filter of the ledger, and values of one. */
  ledgerMatches: 32,
  /** Costs of one import. */
  costEvents: 200,
  /** Largest price, micro-USD per million tokens. */
  priceMicroUsd: 1_000_000_000_000,
} as const;
