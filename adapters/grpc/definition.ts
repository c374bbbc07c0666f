import type { MethodDefinition } from "@grpc/grpc-js";
import { weir, type Codec, type Encodable } from "../../proto/gen/weir.js";
import {
  answerEncoder,
  decoder,
  encoder,
  requestDecoder,
  type DecodeFailure,
  type Outgoing,
} from "../../proto/codec.ts";

const { v1 } = weir;

/** Full names of the services, as health checks and reflection know them. */
export const SERVICE = "weir.v1.DecisionService";
export const ADMIN_SERVICE = "weir.v1.AdminService";
export const LEDGER_SERVICE = "weir.v1.LedgerService";

/** What the server's side of one method takes and gives. */
export type ServerMethod<Request, Response> = MethodDefinition<
  Request | DecodeFailure,
  Outgoing<Response>
>;

/** What the client's side of one method needs. */
export interface ClientMethod<Request, Response> {
  readonly path: string;
  readonly serialize: (message: Encodable<Request>) => Buffer;
  readonly deserialize: (bytes: Buffer) => Response;
}

/** The methods as grpc-js serves them. */
export const SERVER_METHODS = {
  Decide: serverMethod(SERVICE, "Decide", v1.DecideRequest, v1.DecideResponse, false),
  DecideStream: serverMethod(
    SERVICE,
    "DecideStream",
    v1.DecideStreamRequest,
    v1.DecideStreamResponse,
    true,
  ),
  Report: serverMethod(SERVICE, "Report", v1.ReportRequest, v1.ReportResponse, false),
  ReportStream: serverMethod(
    SERVICE,
    "ReportStream",
    v1.ReportStreamRequest,
    v1.ReportStreamResponse,
    true,
  ),
  Cancel: serverMethod(SERVICE, "Cancel", v1.CancelRequest, v1.CancelResponse, false),
};

/** The methods as a client calls them. */
export const CLIENT_METHODS = {
  decide: clientMethod(SERVICE, "Decide", v1.DecideRequest, v1.DecideResponse),
  decideStream: clientMethod(
    SERVICE,
    "DecideStream",
    v1.DecideStreamRequest,
    v1.DecideStreamResponse,
  ),
  report: clientMethod(SERVICE, "Report", v1.ReportRequest, v1.ReportResponse),
  reportStream: clientMethod(
    SERVICE,
    "ReportStream",
    v1.ReportStreamRequest,
    v1.ReportStreamResponse,
  ),
  cancel: clientMethod(SERVICE, "Cancel", v1.CancelRequest, v1.CancelResponse),
};

/** The methods of operators, all unary. */
export const ADMIN_SERVER_METHODS = {
  Freeze: adminServer("Freeze", v1.FreezeRequest, v1.FreezeResponse),
  Unfreeze: adminServer("Unfreeze", v1.UnfreezeRequest, v1.UnfreezeResponse),
  ListFreezes: adminServer("ListFreezes", v1.ListFreezesRequest, v1.ListFreezesResponse),
  ListBudgets: adminServer("ListBudgets", v1.ListBudgetsRequest, v1.ListBudgetsResponse),
  GrantBudget: adminServer("GrantBudget", v1.GrantBudgetRequest, v1.GrantBudgetResponse),
  GetVelocity: adminServer("GetVelocity", v1.GetVelocityRequest, v1.GetVelocityResponse),
  GetBundleStatus: adminServer(
    "GetBundleStatus",
    v1.GetBundleStatusRequest,
    v1.GetBundleStatusResponse,
  ),
  ActivateBundle: adminServer(
    "ActivateBundle",
    v1.ActivateBundleRequest,
    v1.ActivateBundleResponse,
  ),
  RollbackBundle: adminServer(
    "RollbackBundle",
    v1.RollbackBundleRequest,
    v1.RollbackBundleResponse,
  ),
};

export const ADMIN_CLIENT_METHODS = {
  freeze: adminClient("Freeze", v1.FreezeRequest, v1.FreezeResponse),
  unfreeze: adminClient("Unfreeze", v1.UnfreezeRequest, v1.UnfreezeResponse),
  listFreezes: adminClient("ListFreezes", v1.ListFreezesRequest, v1.ListFreezesResponse),
  listBudgets: adminClient("ListBudgets", v1.ListBudgetsRequest, v1.ListBudgetsResponse),
  grantBudget: adminClient("GrantBudget", v1.GrantBudgetRequest, v1.GrantBudgetResponse),
  getVelocity: adminClient("GetVelocity", v1.GetVelocityRequest, v1.GetVelocityResponse),
  getBundleStatus: adminClient(
    "GetBundleStatus",
    v1.GetBundleStatusRequest,
    v1.GetBundleStatusResponse,
  ),
  activateBundle: adminClient(
    "ActivateBundle",
    v1.ActivateBundleRequest,
    v1.ActivateBundleResponse,
  ),
  rollbackBundle: adminClient(
    "RollbackBundle",
    v1.RollbackBundleRequest,
    v1.RollbackBundleResponse,
  ),
};

/** The methods of those who read the ledger, all unary. */
export const LEDGER_SERVER_METHODS = {
  ListEntries: ledgerServer("ListEntries", v1.ListEntriesRequest, v1.ListEntriesResponse),
  GetDecision: ledgerServer("GetDecision", v1.GetDecisionRequest, v1.GetDecisionResponse),
  Summarize: ledgerServer("Summarize", v1.SummarizeRequest, v1.SummarizeResponse),
  GetRun: ledgerServer("GetRun", v1.GetRunRequest, v1.GetRunResponse),
  ListPeriods: ledgerServer("ListPeriods", v1.ListPeriodsRequest, v1.ListPeriodsResponse),
  CloseMonth: ledgerServer("CloseMonth", v1.CloseMonthRequest, v1.CloseMonthResponse),
  ImportCosts: ledgerServer("ImportCosts", v1.ImportCostsRequest, v1.ImportCostsResponse),
  ListPriceRows: ledgerServer("ListPriceRows", v1.ListPriceRowsRequest, v1.ListPriceRowsResponse),
};

export const LEDGER_CLIENT_METHODS = {
  listEntries: ledgerClient("ListEntries", v1.ListEntriesRequest, v1.ListEntriesResponse),
  getDecision: ledgerClient("GetDecision", v1.GetDecisionRequest, v1.GetDecisionResponse),
  summarize: ledgerClient("Summarize", v1.SummarizeRequest, v1.SummarizeResponse),
  getRun: ledgerClient("GetRun", v1.GetRunRequest, v1.GetRunResponse),
  listPeriods: ledgerClient("ListPeriods", v1.ListPeriodsRequest, v1.ListPeriodsResponse),
  closeMonth: ledgerClient("CloseMonth", v1.CloseMonthRequest, v1.CloseMonthResponse),
  importCosts: ledgerClient("ImportCosts", v1.ImportCostsRequest, v1.ImportCostsResponse),
  listPriceRows: ledgerClient("ListPriceRows", v1.ListPriceRowsRequest, v1.ListPriceRowsResponse),
};

function ledgerServer<Request, Response>(
  name: string,
  request: Codec<Request>,
  response: Codec<Response>,
): ServerMethod<Request, Response> {
  return serverMethod(LEDGER_SERVICE, name, request, response, false);
}

function ledgerClient<Request, Response>(
  name: string,
  request: Codec<Request>,
  response: Codec<Response>,
): ClientMethod<Request, Response> {
  return clientMethod(LEDGER_SERVICE, name, request, response);
}

function adminServer<Request, Response>(
  name: string,
  request: Codec<Request>,
  response: Codec<Response>,
): ServerMethod<Request, Response> {
  return serverMethod(ADMIN_SERVICE, name, request, response, false);
}

function adminClient<Request, Response>(
  name: string,
  request: Codec<Request>,
  response: Codec<Response>,
): ClientMethod<Request, Response> {
  return clientMethod(ADMIN_SERVICE, name, request, response);
}

function serverMethod<Request, Response>(
  service: string,
  name: string,
  request: Codec<Request>,
  response: Codec<Response>,
  stream: boolean,
): ServerMethod<Request, Response> {
  return {
    path: `/${service}/${name}`,
    requestStream: stream,
    responseStream: stream,
    requestDeserialize: requestDecoder(request),
    responseSerialize: answerEncoder(response),
    requestSerialize: unused,
    responseDeserialize: unused,
  };
}

function clientMethod<Request, Response>(
  service: string,
  name: string,
  request: Codec<Request>,
  response: Codec<Response>,
): ClientMethod<Request, Response> {
  return {
    path: `/${service}/${name}`,
    serialize: encoder(request),
    deserialize: decoder(response),
  };
}

function unused(): never {
  throw new Error("the server's definition is not for clients");
}
