import type { UntypedServiceImplementation } from "@grpc/grpc-js";
import type {
  BudgetList,
  FreezeChanged,
  Granted,
  Operator,
  RawGrant,
  VelocityList,
} from "../../engine/operator/operator.ts";
import type { TenantFreeze } from "../../engine/reservation/reservation.ts";
import type { Caller } from "../../engine/weir.ts";
import type { Encodable, weir as proto } from "../../proto/gen/weir.js";
import {
  fromBudgets,
  fromFreeze,
  fromFreezeChange,
  fromGranted,
  fromVelocity,
} from "./from-operator.ts";
import { word } from "./to-intent.ts";
import { type Serving, unary } from "./unary.ts";

/** In the order of the contract. */
const UNITS = ["usd", "tokens", "calls"];

/** The handlers of AdminService, by method name as in ADMIN_SERVER_METHODS. */
export function adminService(operator: Operator, serving: Serving): UntypedServiceImplementation {
  const handler = <Request, Result, Response>(
    run: (request: Request, caller: Caller) => Promise<Result>,
    answer: (result: Result) => Encodable<Response>,
  ) =>
    unary<Request, Result, Response>(serving, {
      malformed: "admin.invalid",
      run,
      answer,
      lost: () => {},
    });
  return {
    Freeze: handler<proto.v1.FreezeRequest, FreezeChanged, proto.v1.FreezeResponse>(
      (request, caller) => operator.freeze(request, caller),
      (change) => ({ change: fromFreezeChange(change) }),
    ),
    Unfreeze: handler<proto.v1.UnfreezeRequest, FreezeChanged, proto.v1.UnfreezeResponse>(
      (request, caller) => operator.unfreeze(request, caller),
      (change) => ({ change: fromFreezeChange(change) }),
    ),
    ListFreezes: handler<
      proto.v1.ListFreezesRequest,
      readonly TenantFreeze[],
      proto.v1.ListFreezesResponse
    >(
      (request, caller) => operator.freezes(request, caller),
      (freezes) => ({ freezes: freezes.map(fromFreeze) }),
    ),
    ListBudgets: handler<proto.v1.ListBudgetsRequest, BudgetList, proto.v1.ListBudgetsResponse>(
      (request, caller) => operator.budgets(request, caller),
      fromBudgets,
    ),
    GrantBudget: handler<proto.v1.GrantBudgetRequest, Granted, proto.v1.GrantBudgetResponse>(
      (request, caller) => operator.grant(toGrant(request), caller),
      fromGranted,
    ),
    GetVelocity: handler<proto.v1.GetVelocityRequest, VelocityList, proto.v1.GetVelocityResponse>(
      (request, caller) => operator.velocity(request, caller),
      fromVelocity,
    ),
  };
}

/** A decoded grant as the engine takes it; nothing is checked here, as in `toIntent`. */
function toGrant(request: proto.v1.GrantBudgetRequest): RawGrant {
  const { amount, budget, id, reason, tenant, unit, untilMs } = request;
  return { amount, budget, id, reason, tenant, unit: word(unit, UNITS, "usd"), untilMs };
}
