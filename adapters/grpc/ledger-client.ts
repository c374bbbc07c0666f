import type { Encodable, weir } from "../../proto/gen/weir.js";
import { type ConnectOptions, openChannel, present } from "./channel.ts";
import { type ClientMethod, LEDGER_CLIENT_METHODS } from "./definition.ts";

/** A connection of somebody who reads the ledger. Every failure is a WeirError, as with `connect`. */
export interface LedgerClient {
  listEntries(request: Encodable<weir.v1.ListEntriesRequest>): Promise<weir.v1.ListEntriesResponse>;
  getDecision(decisionId: string): Promise<weir.v1.GetDecisionResponse>;
  summarize(request: Encodable<weir.v1.SummarizeRequest>): Promise<weir.v1.SummarizeResponse>;
  getRun(request: Encodable<weir.v1.GetRunRequest>): Promise<weir.v1.GetRunResponse>;
  listPeriods(tenant: string): Promise<readonly weir.v1.LedgerPeriod[]>;
  closeMonth(request: Encodable<weir.v1.CloseMonthRequest>): Promise<weir.v1.LedgerPeriod>;
  importCosts(
    events: readonly Encodable<weir.v1.CostEvent>[],
  ): Promise<weir.v1.ImportCostsResponse>;
  listPriceRows(): Promise<readonly weir.v1.LedgerPriceRow[]>;
  close(): void;
}

/** Opens one; the connection itself is made at the first call. */
export function connectLedger(options: ConnectOptions): LedgerClient {
  const channel = openChannel(options);
  const call = <Request, Response>(
    method: ClientMethod<Request, Response>,
    request: Encodable<Request>,
  ): Promise<Response> => channel.call(method, "ledger.invalid", request);
  return {
    listEntries: (request) => call(LEDGER_CLIENT_METHODS.listEntries, request),
    getDecision: (decisionId) => call(LEDGER_CLIENT_METHODS.getDecision, { decisionId }),
    summarize: (request) => call(LEDGER_CLIENT_METHODS.summarize, request),
    getRun: (request) => call(LEDGER_CLIENT_METHODS.getRun, request),
    listPeriods: async (tenant) =>
      (await call(LEDGER_CLIENT_METHODS.listPeriods, { tenant })).periods,
    closeMonth: async (request) =>
      present((await call(LEDGER_CLIENT_METHODS.closeMonth, request)).period),
    importCosts: (events) => call(LEDGER_CLIENT_METHODS.importCosts, { events: [...events] }),
    listPriceRows: async () => (await call(LEDGER_CLIENT_METHODS.listPriceRows, {})).rows,
    close: () => channel.client.close(),
  };
}
