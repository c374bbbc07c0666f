import { Metadata, status, type ServiceError } from "@grpc/grpc-js";
import {
  ERROR_CODES,
  WeirError,
  type ErrorCode,
  type FieldViolation,
} from "../../engine/errors.ts";
import { google, type Encodable, type weir } from "../../proto/gen/weir.js";
import { decoder, encoder } from "../../proto/codec.ts";

/** The gRPC code of every error code: the only such table. */
export const GRPC_CODES: Readonly<Record<ErrorCode, status>> = {
  "intent.invalid": status.INVALID_ARGUMENT,
  "intent.conflict": status.ALREADY_EXISTS,
  "intent.in_flight": status.ABORTED,
  "intent.finished": status.FAILED_PRECONDITION,
  "auth.unauthenticated": status.UNAUTHENTICATED,
  "auth.denied": status.PERMISSION_DENIED,
  "report.invalid": status.INVALID_ARGUMENT,
  "report.conflict": status.ALREADY_EXISTS,
  "admin.invalid": status.INVALID_ARGUMENT,
  "ledger.invalid": status.INVALID_ARGUMENT,
  "ledger.unavailable": status.UNAVAILABLE,
  "decision.not_found": status.NOT_FOUND,
  "decision.too_old": status.NOT_FOUND,
  "decision.finished": status.FAILED_PRECONDITION,
  "bundle.invalid": status.FAILED_PRECONDITION,
  "bundle.unavailable": status.UNAVAILABLE,
  "config.invalid": status.FAILED_PRECONDITION,
  "log.unavailable": status.UNAVAILABLE,
  "log.corrupt": status.DATA_LOSS,
  "upload.failed": status.UNAVAILABLE,
  "state.unavailable": status.UNAVAILABLE,
  "server.draining": status.UNAVAILABLE,
  "server.overloaded": status.RESOURCE_EXHAUSTED,
  internal: status.INTERNAL,
};

/** An error as grpc-js sends it. */
export interface WireStatus {
  readonly code: status;
  readonly details: string;
  readonly metadata: Metadata;
}

const DETAILS = "grpc-status-details-bin";
const DOMAIN = "weir";
const TYPE_PREFIX = "type.googleapis.com/";

// Many clients take at most 8 KiB of trailers, counted after base64 and percent encoding.
const MESSAGE_BYTES = 1_000;
const VIOLATIONS_BYTES = 2_400;

const encodeStatus = encoder(google.rpc.Status);
const encodeErrorInfo = encoder(google.rpc.ErrorInfo);
const encodeBadRequest = encoder(google.rpc.BadRequest);
const decodeStatus = decoder(google.rpc.Status);
const decodeErrorInfo = decoder(google.rpc.ErrorInfo);
const decodeBadRequest = decoder(google.rpc.BadRequest);

/** Whatever was thrown, as a gRPC status with details; a fault of ours says no more than that. */
export function toStatus(thrown: unknown): WireStatus {
  const { code, reason, message, violations } = describe(thrown);
  const details = [any("google.rpc.ErrorInfo", encodeErrorInfo({ reason, domain: DOMAIN }))];
  if (violations.length > 0) {
    const badRequest = encodeBadRequest({ fieldViolations: violations });
    details.push(any("google.rpc.BadRequest", badRequest));
  }
  const metadata = new Metadata();
  metadata.set(DETAILS, encodeStatus({ code, message, details }));
  return { code, details: message, metadata };
}

/** The same for one message of a stream that lives on. */
export function toStreamError(thrown: unknown): Encodable<weir.v1.StreamError> {
  return describe(thrown);
}

/**
 * A failed call as the WeirError the server raised. A failure that did not come from Weir is
 * `internal` with the gRPC error as its cause; a message refused for its size is `oversized`.
 */
export function fromStatus(error: ServiceError, oversized: ErrorCode): WeirError {
  const [bytes] = error.metadata?.get(DETAILS) ?? [];
  const known = typeof bytes === "object" ? fromDetails(bytes, error) : undefined;
  if (known !== undefined) return known;
  const text = `${status[error.code] ?? error.code}: ${error.details}`;
  const tooLarge = error.code === status.RESOURCE_EXHAUSTED;
  return new WeirError(tooLarge ? oversized : "internal", text, { cause: error });
}

/** A stream's error message as the WeirError the server raised. */
export function fromStreamError(error: weir.v1.StreamError): WeirError {
  return new WeirError(errorCode(error.reason), error.message, { violations: error.violations });
}

interface Description {
  readonly code: status;
  readonly reason: ErrorCode;
  readonly message: string;
  readonly violations: readonly FieldViolation[];
}

function describe(thrown: unknown): Description {
  const error = WeirError.from(thrown);
  const internal = error.code === "internal";
  return {
    code: GRPC_CODES[error.code],
    reason: error.code,
    message: internal ? "internal error" : shorten(error.message, MESSAGE_BYTES),
    violations: internal ? [] : shortenAll(error.violations),
  };
}

/** Well-formed text of at most about `max` bytes once percent-encoded: grpc-js throws on a lone surrogate. */
function shorten(text: string, max: number): string {
  const sound = text.toWellFormed();
  if (sound.length * 3 <= max || encodeURI(sound).length <= max) return sound;
  let end = Math.min(sound.length, max);
  while (encodeURI(sound.slice(0, end).toWellFormed()).length > max) end = Math.floor(end * 0.9);
  return `${sound.slice(0, end).toWellFormed()}…`;
}

function shortenAll(violations: readonly FieldViolation[]): readonly FieldViolation[] {
  let left = VIOLATIONS_BYTES;
  const kept: FieldViolation[] = [];
  for (const violation of violations) {
    const field = shorten(violation.field, 300);
    const description = shorten(violation.description, 600);
    left -= Buffer.byteLength(field) + Buffer.byteLength(description) + 8;
    if (left < 0) break;
    kept.push({ field, description });
  }
  return kept;
}

function any(name: string, value: Uint8Array): { type_url: string; value: Uint8Array } {
  return { type_url: TYPE_PREFIX + name, value };
}

function fromDetails(bytes: Buffer, cause: ServiceError): WeirError | undefined {
  let reason: ErrorCode | undefined;
  let violations: readonly FieldViolation[] = [];
  let message = cause.details;
  try {
    const decoded = decodeStatus(bytes);
    message = decoded.message;
    for (const detail of decoded.details) {
      if (detail.type_url === `${TYPE_PREFIX}google.rpc.ErrorInfo`) {
        const info = decodeErrorInfo(detail.value);
        if (info.domain === DOMAIN) reason = errorCode(info.reason);
      } else if (detail.type_url === `${TYPE_PREFIX}google.rpc.BadRequest`) {
        violations = decodeBadRequest(detail.value).fieldViolations;
      }
    }
  } catch {
    return undefined;
  }
  return reason === undefined ? undefined : new WeirError(reason, message, { violations, cause });
}

function errorCode(reason: string): ErrorCode {
  return Object.hasOwn(ERROR_CODES, reason) ? (reason as ErrorCode) : "internal";
}
