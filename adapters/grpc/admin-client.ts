import type { Encodable, weir } from "../../proto/gen/weir.js";
import { type CallBounds, type ConnectOptions, openChannel, present } from "./channel.ts";
import { ADMIN_CLIENT_METHODS, type ClientMethod } from "./definition.ts";

/** An operator's connection to Weir. Every failure is a WeirError, as with `connect`. */
export interface AdminClient {
  freeze(request: Encodable<weir.v1.FreezeRequest>): Promise<weir.v1.FreezeChange>;
  unfreeze(request: Encodable<weir.v1.UnfreezeRequest>): Promise<weir.v1.FreezeChange>;
  listFreezes(tenant: string): Promise<readonly weir.v1.Freeze[]>;
  listBudgets(request: Encodable<weir.v1.ListBudgetsRequest>): Promise<weir.v1.ListBudgetsResponse>;
  grantBudget(request: Encodable<weir.v1.GrantBudgetRequest>): Promise<weir.v1.GrantBudgetResponse>;
  getVelocity(request: Encodable<weir.v1.GetVelocityRequest>): Promise<weir.v1.GetVelocityResponse>;
  getBundleStatus(): Promise<weir.v1.BundleStatus>;
  /** Tries the bundle first, which takes seconds. */
  activateBundle(request: Encodable<weir.v1.ActivateBundleRequest>): Promise<weir.v1.BundleChange>;
  rollbackBundle(reason: string): Promise<weir.v1.BundleChange>;
  close(): void;
}

const ACTIVATION_MS = 180_000;

/** Opens one; the connection itself is made at the first call. */
export function connectAdmin(options: ConnectOptions): AdminClient {
  const channel = openChannel(options);
  const call = <Request, Response>(
    method: ClientMethod<Request, Response>,
    request: Encodable<Request>,
    bounds?: CallBounds,
  ): Promise<Response> => channel.call(method, "admin.invalid", request, bounds);
  const patient = { timeoutMs: ACTIVATION_MS };
  return {
    freeze: async (request) => present((await call(ADMIN_CLIENT_METHODS.freeze, request)).change),
    unfreeze: async (request) =>
      present((await call(ADMIN_CLIENT_METHODS.unfreeze, request)).change),
    listFreezes: async (tenant) =>
      (await call(ADMIN_CLIENT_METHODS.listFreezes, { tenant })).freezes,
    listBudgets: (request) => call(ADMIN_CLIENT_METHODS.listBudgets, request),
    grantBudget: (request) => call(ADMIN_CLIENT_METHODS.grantBudget, request),
    getVelocity: (request) => call(ADMIN_CLIENT_METHODS.getVelocity, request),
    getBundleStatus: async () =>
      present((await call(ADMIN_CLIENT_METHODS.getBundleStatus, {})).status),
    activateBundle: async (request) =>
      present((await call(ADMIN_CLIENT_METHODS.activateBundle, request, patient)).change),
    rollbackBundle: async (reason) =>
      present((await call(ADMIN_CLIENT_METHODS.rollbackBundle, { reason }, patient)).change),
    close: () => channel.client.close(),
  };
}
