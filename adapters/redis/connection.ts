import { type Cluster, Redis } from "ioredis";

import { WeirError } from "../../engine/errors.ts";

const CONNECT_TIMEOUT_MS = 2_000;
const RECONNECT_MAX_MS = 500;

/** A connection to one server, or to whatever stands for one. */
export type RedisClient = Redis | Cluster;

/**
 * Connects, or fails with `state.unavailable`. A connection that is lost is made again for ever; until
 * then every command fails at once. Nothing is sent twice by itself: a command whose answer was lost
 * may have been carried out.
 */
export async function openConnection(url: string, commandTimeoutMs: number): Promise<RedisClient> {
  const client = new Redis(url, {
    autoResendUnfulfilledCommands: false,
    commandTimeout: commandTimeoutMs,
    connectTimeout: CONNECT_TIMEOUT_MS,
    enableOfflineQueue: false,
    lazyConnect: true,
    maxRetriesPerRequest: 0,
    retryStrategy: (attempt) => Math.min(attempt * 25, RECONNECT_MAX_MS),
  });
  // Each command says by itself that it failed.
  client.on("error", () => undefined);
  try {
    await client.connect();
    await client.ping();
  } catch (thrown) {
    client.disconnect();
    throw unavailable(thrown);
  }
  return client;
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
