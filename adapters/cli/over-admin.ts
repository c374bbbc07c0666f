import { loadConfig } from "../config.ts";
import { type AdminClient, connectAdmin } from "../grpc/admin-client.ts";
import type { Invocation } from "./command.ts";
import { serverAddress, unreachable } from "./server-address.ts";

/** Does something at a running service as an operator, over a connection of its own. */
export async function asOperator<Result>(
  invocation: Invocation,
  work: (client: AdminClient) => Promise<Result>,
): Promise<Result> {
  const { settings, terminal } = invocation;
  const config = await loadConfig({ flags: settings, env: terminal.env, cwd: terminal.cwd });
  const { address, key } = serverAddress(invocation, config);
  const client = connectAdmin(key === undefined ? { address } : { address, key });
  try {
    return await work(client);
  } catch (thrown) {
    throw unreachable(thrown, address);
  } finally {
    client.close();
  }
}
