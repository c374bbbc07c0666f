import { WeirError } from "../../engine/errors.ts";
import type { Config } from "../config.ts";
import { type Address, formatAddress } from "../config/values.ts";
import type { Invocation } from "./command.ts";

/** The service a command asks, and the key it shows. */
export interface ServerAddress {
  readonly address: string;
  readonly key: string | undefined;
}

/** A flag, else the variable, else where the configuration lets the service listen. */
export function serverAddress({ flags, terminal }: Invocation, config: Config): ServerAddress {
  return {
    address: flags["server"] ?? terminal.env["WEIR_SERVER"] ?? reachable(config.grpcListen),
    key: flags["key"] ?? terminal.env["WEIR_KEY"],
  };
}

// A service that listens everywhere is asked on this machine.
function reachable({ host, port }: Address): string {
  const everywhere = host === "0.0.0.0" || host === "::";
  return formatAddress({ host: everywhere ? "127.0.0.1" : host, port });
}

const GRPC_UNAVAILABLE = 14;

/** What a failed call says: that no service is there, or what the service said. */
export function unreachable(thrown: unknown, address: string, otherwise = ""): WeirError {
  const error = WeirError.from(thrown);
  const status = (error.cause as { readonly code?: unknown } | undefined)?.code;
  if (error.code !== "internal" || status !== GRPC_UNAVAILABLE) return error;
  const message = `no service answers at ${address}; start one with "weir start"${otherwise}`;
  return new WeirError("state.unavailable", message, { cause: error });
}
