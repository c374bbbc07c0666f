import { loadConfig } from "../config.ts";
import { connect, type WeirClient } from "../grpc/client.ts";
import type { Invocation } from "./command.ts";
import { serverAddress, unreachable } from "./server-address.ts";

/** Does something about a decision at a running service, over a connection of its own. */
export async function asCaller<Result>(
  invocation: Invocation,
  work: (client: WeirClient) => Promise<Result>,
): Promise<Result> {
  const { settings, terminal } = invocation;
  const config = await loadConfig({ flags: settings, env: terminal.env, cwd: terminal.cwd });
  const { address, key } = serverAddress(invocation, config);
  const client = connect(key === undefined ? { address } : { address, key });
  try {
    return await work(client);
  } catch (thrown) {
    throw unreachable(thrown, address);
  } finally {
    client.close();
  }
}
