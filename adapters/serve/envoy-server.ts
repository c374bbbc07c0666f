import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ServerCredentials } from "@grpc/grpc-js";
import { WeirError } from "../../engine/errors.ts";
import { LIMITS } from "../../engine/limits.ts";
import type { BundleData } from "../../engine/policy/bundle-data.ts";
import type { Weir } from "../../engine/weir.ts";
import { type Config, isLoopback } from "../config.ts";
import { formatAddress } from "../config/values.ts";
import type { KeyRing } from "../envoy/identity.ts";
import { readSecret } from "../envoy/secret.ts";
import { envoyServices } from "../envoy/services.ts";
import type { SettlementResult } from "../envoy/settler.ts";
import { sealedTickets } from "../envoy/ticket.ts";
import { type GrpcServer, hostServices } from "../grpc/host.ts";

/** What the server for Envoy takes of the service it belongs to. */
export interface EnvoyParts {
  readonly weir: Weir;
  readonly keys: KeyRing;
  readonly principals: () => BundleData["principals"];
  readonly onFault: (error: WeirError) => void;
  readonly onSettlement: (result: SettlementResult) => void;
}

/** Messages in flight; Envoy holds one stream for each call. */
const IN_FLIGHT_MAX = 65_536;
/** A CheckRequest is the body and its headers. */
const HEADER_BYTES = 1024 * 1024;
/** Envoys spread over new replicas at this pace. */
const CONNECTION_AGE_MS = 5 * 60_000;
/** Envoy finds out by its health checks, one a second, and asks another replica from then on. */
const NOTICE = { maxMs: 6_000, quietMs: 1_000 };

/** Serves Envoy where the configuration says so; null where it does not. */
export async function startEnvoyServer(
  config: Config,
  parts: EnvoyParts,
): Promise<GrpcServer | null> {
  const { envoyListen, envoyTls } = config;
  if (envoyListen === null) return null;
  const tickets = sealedTickets(readSecret(config.data));
  const options = {
    ...parts,
    identity: config.envoyIdentity,
    jwtKey: config.envoyJwtKey,
    tickets,
    unmetered: config.envoyUnmetered,
  };
  return hostServices(
    {
      ...envoyListen,
      connectionAgeMs: CONNECTION_AGE_MS,
      inFlightMax: IN_FLIGHT_MAX,
      messageBytesMax: LIMITS.proxiedBodyBytes + HEADER_BYTES,
      notice: NOTICE,
      ...(envoyTls === null ? {} : { credentials: mutualTls(envoyTls) }),
    },
    (gate) => envoyServices(options, gate),
  );
}

/** Whoever reaches this server speaks for every caller, so only Envoy may. */
export function refuseOpenEnvoyDoor({ envoyListen, envoyTls }: Config): void {
  if (envoyListen === null || envoyTls !== null || isLoopback(envoyListen.host)) return;
  const message =
    `envoy_listen: ${formatAddress(envoyListen)} would let every machine speak for every caller; ` +
    "give envoy_tls, or listen on 127.0.0.1";
  throw new WeirError("config.invalid", message);
}

function mutualTls(folder: string): ServerCredentials {
  const read = (name: string): Buffer => {
    try {
      return readFileSync(join(folder, name));
    } catch (cause) {
      const message = `envoy_tls: ${join(folder, name)}: ${(cause as Error).message}`;
      throw new WeirError("config.invalid", message, { cause });
    }
  };
  const pair = { cert_chain: read("tls.crt"), private_key: read("tls.key") };
  return ServerCredentials.createSsl(read("ca.crt"), [pair], true);
}
