import { status } from "@grpc/grpc-js";
import { type ErrorCode, WeirError } from "../../engine/errors.ts";
import { answerRefusal, type RefusalAnswer } from "../../engine/provider/answer-refusal.ts";
import type { FormatName } from "../../engine/provider/format.ts";
import { faultRefusal } from "../../engine/provider/refusal.ts";

/** The HTTP status of every error that is the caller's; every other is a fault of ours, 503. */
const STATUS_BY_CODE: Readonly<Partial<Record<ErrorCode, number>>> = {
  "auth.denied": 403,
  "auth.unauthenticated": 401,
  "intent.conflict": 409,
  "intent.finished": 409,
  "intent.invalid": 400,
};

/** How Envoy is told that a call does not pass. */
export function grpcCodeOf(httpStatus: number): status {
  switch (httpStatus) {
    case 401:
      return status.UNAUTHENTICATED;
    case 429:
      return status.RESOURCE_EXHAUSTED;
    case 503:
      return status.UNAVAILABLE;
    default:
      return status.PERMISSION_DENIED;
  }
}

/** Whatever was thrown as the provider's own error; a fault of ours says no more than that. */
export function refuseError(thrown: unknown, format: FormatName | null): RefusalAnswer {
  const { code, message } = WeirError.from(thrown);
  const httpStatus = STATUS_BY_CODE[code];
  if (httpStatus === undefined) {
    const told = code === "internal" ? "internal error" : message;
    return answerRefusal(format, faultRefusal(code, `weir cannot decide: ${told}`));
  }
  const refusal = faultRefusal(code, `refused by weir: ${message}`);
  const answer = answerRefusal(format, { ...refusal, kind: "blocked" });
  // Nothing was decided, so it is no block.
  return {
    ...answer,
    headers: { ...answer.headers, "x-weir-effect": "refused" },
    status: httpStatus,
  };
}
