import { Cluster, Redis, type RedisOptions } from "ioredis";

import { WeirError } from "../../engine/errors.ts";

const CONNECT_TIMEOUT_MS = 2_000;
const RECONNECT_MAX_MS = 500;
/** How often a cluster is asked who serves which slot, besides after a redirection. */
const SLOTS_EVERY_MS = 1_000;

/** One server, a cluster by some of its nodes, or what sentinels watch under a name. */
export interface RedisAddress {
  readonly kind: "server" | "cluster" | "sentinel";
  readonly hosts: readonly { readonly host: string; readonly port: number }[];
  readonly name: string;
  /** "": the default user, no password. */
  readonly user: string;
  readonly password: string;
  readonly tls: boolean;
  readonly database: number;
}

/** A connection to one server, or to whatever stands for one. */
export type RedisClient = Redis | Cluster;

/**
 * Connects, or fails with `state.unavailable`. A connection that is lost is made again for ever; until
 * then every command fails at once. Nothing is sent twice by itself: a command whose answer was lost
 * may have been carried out.
 */
export async function openConnection(
  address: RedisAddress,
  commandTimeoutMs: number,
): Promise<RedisClient> {
  const client = createClient(address, commandTimeoutMs);
  // Each command says by itself that it failed.
  client.on("error", () => undefined);
  try {
    await client.connect();
    // Every master of a cluster: a call to one that is still connecting would fail.
    const servers = client instanceof Redis ? [client] : client.nodes("master");
    await Promise.all(servers.map((server) => server.ping()));
  } catch (thrown) {
    client.disconnect();
    throw unavailable(thrown);
  }
  return client;
}

function createClient(address: RedisAddress, commandTimeoutMs: number): RedisClient {
  const { database, hosts, name, password, tls, user } = address;
  const login = {
    ...(user === "" ? {} : { username: user }),
    ...(password === "" ? {} : { password }),
    ...(tls ? { tls: {} } : {}),
  };
  const retry = (attempt: number) => Math.min(attempt * 25, RECONNECT_MAX_MS);
  const options = {
    ...login,
    autoResendUnfulfilledCommands: false,
    commandTimeout: commandTimeoutMs,
    connectTimeout: CONNECT_TIMEOUT_MS,
    enableOfflineQueue: false,
    lazyConnect: true,
    maxRetriesPerRequest: 0,
    retryStrategy: retry,
  } satisfies RedisOptions;
  switch (address.kind) {
    case "server":
      return new Redis({ ...options, ...hosts[0], db: database });
    case "sentinel":
      return new Redis({
        ...options,
        db: database,
        name,
        sentinelRetryStrategy: retry,
        sentinels: [...hosts],
        // Sentinels have the same users, or none.
        ...(password === "" ? {} : { sentinelPassword: password }),
        ...(user === "" ? {} : { sentinelUsername: user }),
        ...(tls ? { enableTLSForSentinelMode: true, sentinelTLS: {} } : {}),
      });
    case "cluster":
      return new Cluster([...hosts], {
        clusterRetryStrategy: retry,
        enableOfflineQueue: false,
        lazyConnect: true,
        redisOptions: options,
        retryDelayOnClusterDown: 0,
        // Sent again, a script that was carried out would be carried out twice.
        retryDelayOnFailover: 0,
        slotsRefreshInterval: SLOTS_EVERY_MS,
      });
  }
}

/** Another connection to the same place; nothing is sent on it before it is told to connect. */
export function duplicate(client: RedisClient): RedisClient {
  return client instanceof Redis ? client.duplicate() : client.duplicate();
}

/** Waits for an answer; whatever goes wrong on the way is `state.unavailable`. */
export async function answered<Reply>(reply: Promise<Reply>): Promise<Reply> {
  try {
    return await reply;
  } catch (thrown) {
    throw unavailable(thrown);
  }
}

export function unavailable(thrown: unknown): WeirError {
  if (thrown instanceof WeirError) return thrown;
  const why = thrown instanceof Error ? thrown.message : String(thrown);
  const message = `the state store does not answer: ${why}`;
  return new WeirError("state.unavailable", message, { cause: thrown });
}
