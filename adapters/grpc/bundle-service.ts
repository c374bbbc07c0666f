import type { UntypedServiceImplementation } from "@grpc/grpc-js";
import type { BundleChange, BundleOperator, BundleStatus } from "../../engine/operator/bundles.ts";
import type { Encodable, weir as proto } from "../../proto/gen/weir.js";
import { type Serving, unary } from "./unary.ts";

/** The handlers of AdminService for bundles, by method name as in ADMIN_SERVER_METHODS. */
export function bundleHandlers(
  bundles: BundleOperator,
  serving: Serving,
): UntypedServiceImplementation {
  const fixed = { lost: () => {}, malformed: "admin.invalid" } as const;
  return {
    GetBundleStatus: unary<
      proto.v1.GetBundleStatusRequest,
      BundleStatus,
      proto.v1.GetBundleStatusResponse
    >(serving, {
      ...fixed,
      run: (_request, caller) => bundles.status(caller),
      answer: (status) => ({ status: fromStatus(status) }),
    }),
    ActivateBundle: unary<
      proto.v1.ActivateBundleRequest,
      BundleChange,
      proto.v1.ActivateBundleResponse
    >(serving, {
      ...fixed,
      run: (request, caller) => bundles.activate(request, caller),
      answer: (change) => ({ change: fromChange(change) }),
    }),
    RollbackBundle: unary<
      proto.v1.RollbackBundleRequest,
      BundleChange,
      proto.v1.RollbackBundleResponse
    >(serving, {
      ...fixed,
      run: (request, caller) => bundles.rollback(request, caller),
      answer: (change) => ({ change: fromChange(change) }),
    }),
  };
}

function fromStatus(status: BundleStatus): Encodable<proto.v1.BundleStatus> {
  const { canary, ...others } = status;
  return canary === null ? others : { ...others, canary };
}

function fromChange({ after, before }: BundleChange): Encodable<proto.v1.BundleChange> {
  return { after, digestBefore: before.digest, revisionBefore: before.revision };
}
