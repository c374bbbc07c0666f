import type { Encodable, weir } from "../../proto/gen/weir.js";
import { type ConnectOptions, openChannel, present } from "./channel.ts";
import { ADMIN_CLIENT_METHODS, type ClientMethod } from "./definition.ts";

/** An operator's connection to Weir. Every failure is a WeirError, as with `connect`. */
export interface AdminClient {
  freeze(request: Encodable<weir.v1.FreezeRequest>): Promise<weir.v1.FreezeChange>;
  unfreeze(request: Encodable<weir.v1.UnfreezeRequest>): Promise<weir.v1.FreezeChange>;
  listFreezes(tenant: string): Promise<readonly weir.v1.Freeze[]>;
  listBudgets(request: Encodable<weir.v1.ListBudgetsRequest>): Promise<weir.v1.ListBudgetsResponse>;
  grantBudget(request: Encodable<weir.v1.GrantBudgetRequest>): Promise<weir.v1.GrantBudgetResponse>;
  getVelocity(request: Encodable<weir.v1.GetVelocityRequest>): Promise<weir.v1.GetVelocityResponse>;
  close(): void;
}

/** Opens one; the connection itself is made at the first call. */
export function connectAdmin(options: ConnectOptions): AdminClient {
  const channel = openChannel(options);
  const call = <Request, Response>(
    method: ClientMethod<Request, Response>,
    request: Encodable<Request>,
  ): Promise<Response> => channel.call(method, "admin.invalid", request);
  return {
    freeze: async (request) => present((await call(ADMIN_CLIENT_METHODS.freeze, request)).change),
    unfreeze: async (request) =>
      present((await call(ADMIN_CLIENT_METHODS.unfreeze, request)).change),
    listFreezes: async (tenant) =>
      (await call(ADMIN_CLIENT_METHODS.listFreezes, { tenant })).freezes,
    listBudgets: (request) => call(ADMIN_CLIENT_METHODS.listBudgets, request),
    grantBudget: (request) => call(ADMIN_CLIENT_METHODS.grantBudget, request),
    getVelocity: (request) => call(ADMIN_CLIENT_METHODS.getVelocity, request),
    close: () => channel.client.close(),
  };
}
