import { loadConfig } from "../config.ts";
import { type AdminClient, connectAdmin } from "../grpc/admin-client.ts";
import type { ConnectOptions } from "../grpc/channel.ts";
import { connect, type WeirClient } from "../grpc/client.ts";
import { connectLedger, type LedgerClient } from "../grpc/ledger-client.ts";
import type { Invocation } from "./command.ts";
import { serverAddress, unreachable } from "./server-address.ts";

/** Does something at a running service as an operator, over a connection of its own. */
export const asOperator = <Result>(
  invocation: Invocation,
  work: (client: AdminClient) => Promise<Result>,
): Promise<Result> => atService(invocation, connectAdmin, work);

/** Does something about a decision at a running service, over a connection of its own. */
export const asCaller = <Result>(
  invocation: Invocation,
  work: (client: WeirClient) => Promise<Result>,
): Promise<Result> => atService(invocation, connect, work);

/** How long a sum over many entries may take. */
const READ_TIMEOUT_MS = 120_000;
/** Largest of its answers: every hour of a month by every field. */
const READ_BYTES_MAX = 256 * 1024 * 1024;

/** Asks a running service for its ledger, over a connection of its own. */
export const asReader = <Result>(
  invocation: Invocation,
  work: (client: LedgerClient) => Promise<Result>,
): Promise<Result> =>
  atService(
    invocation,
    (options) =>
      connectLedger({
        answerBytesMax: READ_BYTES_MAX,
        timeoutMs: READ_TIMEOUT_MS,
        ...options,
      }),
    work,
  );

async function atService<Client extends { close(): void }, Result>(
  invocation: Invocation,
  open: (options: ConnectOptions) => Client,
  work: (client: Client) => Promise<Result>,
): Promise<Result> {
  const { settings, terminal } = invocation;
  const config = await loadConfig({ flags: settings, env: terminal.env, cwd: terminal.cwd });
  const { address, key } = serverAddress(invocation, config);
  const client = open(key === undefined ? { address } : { address, key });
  try {
    return await work(client);
  } catch (thrown) {
    throw unreachable(thrown, address);
  } finally {
    client.close();
  }
}
