import type { Server, ServerCredentials, ServiceDefinition } from "@grpc/grpc-js";
import { WeirError } from "../../engine/errors.ts";
import { LIMITS } from "../../engine/limits.ts";
import type { LedgerReader } from "../../engine/ledger/reader.ts";
import type { BundleOperator } from "../../engine/operator/bundles.ts";
import type { Operator } from "../../engine/operator/operator.ts";
import type { Weir } from "../../engine/weir.ts";
import { adminService } from "./admin-service.ts";
import { bundleHandlers } from "./bundle-service.ts";
import type { Authenticator } from "./authenticate.ts";
import {
  ADMIN_SERVER_METHODS,
  ADMIN_SERVICE,
  LEDGER_SERVER_METHODS,
  LEDGER_SERVICE,
  SERVER_METHODS,
  SERVICE,
} from "./definition.ts";
import type { Gate } from "./gate.ts";
import { type GrpcServer, type HostedService, hostServices } from "./host.ts";
import { ledgerService } from "./ledger-service.ts";
import { addReflection } from "./reflection.ts";
import { decisionService } from "./service.ts";

/** What a gRPC server needs; the limits have defaults. */
export interface GrpcServerOptions {
  readonly weir: Weir;
  /** Without it AdminService is not served. */
  readonly operator?: Operator;
  /** Without it LedgerService is not served. */
  readonly ledger?: LedgerReader;
  /** Without it AdminService changes no bundle. */
  readonly bundles?: BundleOperator | undefined;
  readonly authenticator: Authenticator;
  /** Address or name to listen on, or "unix:<path>" (the port is then ignored). */
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
  /** Without them the server speaks plain HTTP/2. */
  readonly credentials?: ServerCredentials;
  /** Messages in flight over all calls; one more is refused with `server.overloaded`. */
  readonly inFlightMax?: number;
  /** Messages in flight on one stream; at the bound the stream is not read. */
  readonly streamInFlightMax?: number;
  /** Told of faults of Weir itself, whose content callers never see. */
  readonly onFault?: (error: WeirError) => void;
}

/** Starts the gRPC server; a failure to listen is `config.invalid` and names the address. */
export function startGrpcServer(options: GrpcServerOptions): Promise<GrpcServer> {
  const services = [
    SERVICE,
    ...(options.operator === undefined ? [] : [ADMIN_SERVICE]),
    ...(options.ledger === undefined ? [] : [LEDGER_SERVICE]),
  ];
  return hostServices(
    {
      ...options,
      inFlightMax: options.inFlightMax ?? 8_192,
      messageBytesMax: LIMITS.messageBytes,
    },
    (gate) => ownServices(options, gate),
    (server: Server) => addReflection(server, services),
  );
}

function ownServices(options: GrpcServerOptions, gate: Gate): readonly HostedService[] {
  const { bundles, ledger, operator, weir } = options;
  const onFault = options.onFault ?? (() => {});
  const serving = {
    authenticator: options.authenticator,
    gate,
    peer: options.host.startsWith("unix:") ? "unix:" : undefined,
    onError: (thrown: unknown) => {
      const error = WeirError.from(thrown);
      if (error.code === "internal") onFault(error);
    },
  };
  const streamInFlightMax = options.streamInFlightMax ?? 1_024;
  // Typed method by method; grpc-js takes the whole as one untyped record.
  const decisions: HostedService = {
    name: SERVICE,
    definition: SERVER_METHODS as unknown as ServiceDefinition,
    handlers: decisionService({ ...serving, weir, streamInFlightMax }),
  };
  const services = [decisions];
  if (operator !== undefined) {
    services.push({
      name: ADMIN_SERVICE,
      definition: ADMIN_SERVER_METHODS as unknown as ServiceDefinition,
      handlers: {
        ...adminService(operator, serving),
        ...(bundles !== undefined && bundleHandlers(bundles, serving)),
      },
    });
  }
  if (ledger !== undefined) {
    services.push({
      name: LEDGER_SERVICE,
      definition: LEDGER_SERVER_METHODS as unknown as ServiceDefinition,
      handlers: ledgerService(ledger, serving),
    });
  }
  return services;
}
