import type { CaseEngine } from "../../adapters/cli/policy/cases/memory-host.ts";
import type { CaseHost } from "../../adapters/cli/policy/cases/run-case.ts";
import { decideOverGrpc } from "../../adapters/cli/over-grpc.ts";
import { connectAdmin } from "../../adapters/grpc/admin-client.ts";
import { connect } from "../../adapters/grpc/client.ts";
import { startGrpcServer } from "../../adapters/grpc/server.ts";
import { weir as proto } from "../../proto/gen/weir.js";

/** Runs a case at a gRPC server of its own, as a client and as an operator would. */
export async function overGrpc(engine: CaseEngine): Promise<CaseHost> {
  const { caller, clock, operator, weir } = engine;
  const server = await startGrpcServer({
    authenticator: { authenticate: () => caller },
    host: "127.0.0.1",
    operator,
    port: 0,
    weir,
  });
  const address = `127.0.0.1:${server.port}`;
  const client = connect({ address });
  const admin = connectAdmin({ address });
  return {
    advance: async (ms) => {
      clock.advance(ms);
      await weir.sweep();
    },
    close: async () => {
      client.close();
      admin.close();
      await server.drain(10_000);
    },
    decide: (intent) => decideOverGrpc(intent, { address, key: undefined }),
    freeze: async (tenant, scope, reason) => {
      await admin.freeze({ reason, scope, tenant });
    },
    grant: async (tenant, budget, amount, forMs) => {
      const untilMs = clock.nowMs() + forMs;
      await admin.grantBudget({
        amount,
        budget,
        id: "granted",
        reason: "case",
        tenant,
        unit: proto.v1.BudgetUnit.BUDGET_UNIT_USD,
        untilMs,
      });
    },
    record: async (decisionId) => {
      await weir.idle();
      return engine.record(decisionId);
    },
    report: async ({ id }, usage) => {
      const outcome = proto.v1.Outcome.OUTCOME_OK;
      await client.report({ decisionId: id, final: true, outcome, sequence: 1, usage });
    },
  };
}
