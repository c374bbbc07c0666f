import type { UntypedServiceImplementation } from "@grpc/grpc-js";
import type { ImportResult } from "../../engine/ledger/import-costs.ts";
import { LEDGER_KINDS, type PriceRow } from "../../engine/ledger/ledger-entry.ts";
import { BUCKETS, type Period, type RunCost } from "../../engine/ledger/query.ts";
import type {
  DecisionEntries,
  EntryPage,
  LedgerReader,
  RawFilter,
  SummaryAnswer,
} from "../../engine/ledger/reader.ts";
import type { Caller } from "../../engine/weir.ts";
import type { Encodable, weir as proto } from "../../proto/gen/weir.js";
import {
  fromDecisionEntries,
  fromPage,
  fromPeriod,
  fromPriceRow,
  fromRun,
  fromSummary,
} from "./from-ledger.ts";
import { word } from "./to-intent.ts";
import { type Serving, unary } from "./unary.ts";

/** The handlers of LedgerService, by method name as in LEDGER_SERVER_METHODS. */
export function ledgerService(
  ledger: LedgerReader,
  serving: Serving,
): UntypedServiceImplementation {
  const handler = <Request, Result, Response>(
    run: (request: Request, caller: Caller) => Promise<Result>,
    answer: (result: Result) => Encodable<Response>,
  ) =>
    unary<Request, Result, Response>(serving, {
      malformed: "ledger.invalid",
      run,
      answer,
      lost: () => {},
    });
  return {
    ListEntries: handler<proto.v1.ListEntriesRequest, EntryPage, proto.v1.ListEntriesResponse>(
      ({ filter, ...request }, caller) => ledger.list({ ...toFilter(filter), ...request }, caller),
      fromPage,
    ),
    GetDecision: handler<
      proto.v1.GetDecisionRequest,
      DecisionEntries,
      proto.v1.GetDecisionResponse
    >(({ decisionId }, caller) => ledger.decision(decisionId, caller), fromDecisionEntries),
    Summarize: handler<proto.v1.SummarizeRequest, SummaryAnswer, proto.v1.SummarizeResponse>(
      ({ bucket, filter, groupBy, scan }, caller) => {
        const cut = word(bucket, BUCKETS.slice(1), "none");
        return ledger.summarize({ ...toFilter(filter), bucket: cut, groupBy, scan }, caller);
      },
      fromSummary,
    ),
    GetRun: handler<proto.v1.GetRunRequest, RunCost, proto.v1.GetRunResponse>(
      (request, caller) => ledger.run(request, caller),
      fromRun,
    ),
    ListPeriods: handler<
      proto.v1.ListPeriodsRequest,
      readonly Period[],
      proto.v1.ListPeriodsResponse
    >(
      (request, caller) => ledger.periods(request, caller),
      (periods) => ({ periods: periods.map(fromPeriod) }),
    ),
    CloseMonth: handler<proto.v1.CloseMonthRequest, Period, proto.v1.CloseMonthResponse>(
      (request, caller) => ledger.close(request, caller),
      (period) => ({ period: fromPeriod(period) }),
    ),
    ImportCosts: handler<proto.v1.ImportCostsRequest, ImportResult, proto.v1.ImportCostsResponse>(
      ({ events }, caller) => ledger.importCosts(events, caller),
      (result) => result,
    ),
    ListPriceRows: handler<
      proto.v1.ListPriceRowsRequest,
      readonly PriceRow[],
      proto.v1.ListPriceRowsResponse
    >(
      (_request, caller) => ledger.priceRows(caller),
      (rows) => ({ rows: rows.map(fromPriceRow) }),
    ),
  };
}

/** A decoded filter as the engine takes it; nothing is checked here, as in `toIntent`. */
function toFilter(filter: proto.v1.LedgerFilter | null): RawFilter {
  if (filter === null) return {};
  const { kinds, ...others } = filter;
  return { ...others, kinds: kinds.map((kind) => word(kind, LEDGER_KINDS, undefined)) };
}
