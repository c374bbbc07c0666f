/** The closed set of error codes. `docs/errors.md` holds the same table; a test keeps them equal. */
export const ERROR_CODES = {
  "intent.invalid": "a field of the intent is missing, malformed or out of range",
  "intent.conflict": "the same intent id and attempt was sent before with other content",
  "intent.in_flight": "the same intent is being decided by another node",
  "intent.finished": "the intent was decided and has ended; a retry is a new attempt",
  "auth.unauthenticated": "the caller did not prove who it is",
  "auth.denied": "the principal may not claim this attribution, or is no operator",
  "report.invalid": "a field of the report is missing, malformed or out of range",
  "report.conflict": "a report with the same sequence and other figures was posted before",
  "admin.invalid": "a field of an operator's request is missing, malformed or out of range",
  "ledger.invalid": "a field of a request to the ledger is missing, malformed or out of range",
  "ledger.unavailable": "the ledger's query store does not answer",
  "decision.not_found": "no such decision for this principal",
  "decision.too_old": "the decision ended more than seven days ago",
  "decision.finished": "the decision was reported as final and cannot be cancelled",
  "bundle.invalid": "the policy bundle is malformed, altered or not signed by an allowed key",
  "bundle.unavailable": "the policy bundle cannot be fetched from where it should be",
  "config.invalid": "the configuration is wrong",
  "log.unavailable": "the record could not be written, so nothing was decided",
  "log.corrupt": "the log holds a damaged record",
  "upload.failed": "decision logs or status do not reach the server that collects them",
  "state.unavailable": "the state store does not answer",
  "server.draining": "the server is shutting down",
  "server.overloaded": "too many decisions are in flight",
  internal: "a fault of Weir itself",
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

/** One wrong field: its path and what is accepted. */
export interface FieldViolation {
  readonly field: string;
  readonly description: string;
}

/** The only error that crosses a stage border. Messages are lower case and name the offending value. */
export class WeirError extends Error {
  override readonly name = "WeirError";
  readonly code: ErrorCode;
  readonly violations: readonly FieldViolation[];

  constructor(
    code: ErrorCode,
    message: string,
    options: { violations?: readonly FieldViolation[]; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.violations = options.violations ?? [];
  }

  /** Wraps a stranger as `internal`, keeping it as the cause; a WeirError passes unchanged. */
  static from(thrown: unknown): WeirError {
    if (thrown instanceof WeirError) return thrown;
    return new WeirError("internal", "internal error", { cause: thrown });
  }
}
