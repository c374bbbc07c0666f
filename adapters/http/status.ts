import type { ErrorCode, FieldViolation, WeirError } from "../../engine/errors.ts";

/** The only map from error codes to HTTP. A block is a decision and answers 200. */
export const STATUS_BY_CODE: Readonly<Record<ErrorCode, number>> = {
  "intent.invalid": 400,
  "intent.conflict": 409,
  "intent.in_flight": 409,
  "intent.finished": 409,
  "auth.unauthenticated": 401,
  "auth.denied": 403,
  "report.invalid": 400,
  "report.conflict": 409,
  "admin.invalid": 400,
  "ledger.invalid": 400,
  "ledger.unavailable": 503,
  "decision.not_found": 404,
  "decision.too_old": 410,
  "decision.finished": 409,
  "bundle.invalid": 500,
  "bundle.unavailable": 503,
  "config.invalid": 500,
  "log.unavailable": 503,
  "log.corrupt": 500,
  "upload.failed": 503,
  "state.unavailable": 503,
  "server.draining": 503,
  "server.overloaded": 503,
  internal: 500,
};

/** What can be wrong with a request before there is an intent in it. */
export const STATUS_BY_PROBLEM = {
  "http.malformed": 400,
  "http.not_found": 404,
  "http.method_not_allowed": 405,
  "http.timeout": 408,
  "http.body_too_large": 413,
  "http.unsupported_media_type": 415,
  "http.headers_too_large": 431,
} as const;
export type Problem = keyof typeof STATUS_BY_PROBLEM;

/** A request that HTTP itself refuses. */
export class HttpProblem extends Error {
  override readonly name = "HttpProblem";
  readonly problem: Problem;
  readonly headers: Readonly<Record<string, string>>;

  constructor(problem: Problem, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.problem = problem;
    this.headers = headers;
  }
}

/** Body of every answer that is not a success. */
export interface ErrorBody {
  readonly code: ErrorCode | Problem;
  readonly message: string;
  readonly errors: readonly FieldViolation[];
}

/** An answer ready to be sent. */
export interface Refusal {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: ErrorBody;
}

/** The answer to a refused request. The cause of an internal error stays inside. */
export function refusalOf(error: WeirError | HttpProblem): Refusal {
  if (error.name === "HttpProblem") {
    const status = STATUS_BY_PROBLEM[error.problem];
    const body = { code: error.problem, message: error.message, errors: [] };
    return { status, headers: error.headers, body };
  }
  const status = STATUS_BY_CODE[error.code];
  const body = { code: error.code, message: error.message, errors: error.violations };
  return { status, headers: headersOf(status), body };
}

function headersOf(status: number): Readonly<Record<string, string>> {
  if (status === 401) return { "www-authenticate": 'Bearer realm="weir"' };
  if (status === 503) return { "retry-after": "1" };
  return {};
}
