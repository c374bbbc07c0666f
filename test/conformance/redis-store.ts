import { openConnection } from "../../adapters/redis/connection.ts";
import { RedisStateStore } from "../../adapters/redis/state-store.ts";
import { startTestRedis, type TestRedis } from "../support/redis.ts";

export interface RedisUnderTest {
  readonly server: TestRedis;
  /** A store on an empty database, with a connection of its own. */
  create(): Promise<RedisStateStore>;
  /** One more node on what is there. */
  join(): Promise<RedisStateStore>;
  close(): Promise<void>;
}

export async function startRedisUnderTest(
  options: { readonly cluster?: boolean } = {},
): Promise<RedisUnderTest> {
  const server = await startTestRedis(options);
  const clients: Awaited<ReturnType<typeof openConnection>>[] = [];
  const join = async (): Promise<RedisStateStore> => {
    const client = await openConnection(server.address, 20_000);
    clients.push(client);
    return new RedisStateStore(client);
  };
  return {
    close: async () => {
      for (const client of clients) client.disconnect();
      await server.close();
    },
    create: async () => {
      await server.connect().flushall();
      return join();
    },
    join,
    server,
  };
}
