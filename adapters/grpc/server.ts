import {
  logVerbosity,
  Server,
  ServerCredentials,
  setLogVerbosity,
  type ServiceDefinition,
} from "@grpc/grpc-js";
import { HealthImplementation } from "grpc-health-check";
import { WeirError } from "../../engine/errors.ts";
import { LIMITS } from "../../engine/limits.ts";
import type { Operator } from "../../engine/operator/operator.ts";
import type { Weir } from "../../engine/weir.ts";
import { adminService } from "./admin-service.ts";
import type { Authenticator } from "./authenticate.ts";
import { ADMIN_SERVER_METHODS, ADMIN_SERVICE, SERVER_METHODS, SERVICE } from "./definition.ts";
import { Gate } from "./gate.ts";
import { addReflection } from "./reflection.ts";
import { decisionService } from "./service.ts";

/** What a gRPC server needs; the limits have defaults. */
export interface GrpcServerOptions {
  readonly weir: Weir;
  /** Without it AdminService is not served. */
  readonly operator?: Operator;
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

/** A listening server. */
export interface GrpcServer {
  /** The port it listens on; 0 on a local socket. */
  readonly port: number;
  /**
   * Reports itself as not serving, takes nothing new, answers what is in flight and closes; after
   * `timeoutMs` whatever is left is cut off. Always resolves: true if nothing was cut off.
   */
  drain(timeoutMs: number): Promise<boolean>;
}

const NOT_SERVING = "NOT_SERVING";
const SERVING = "SERVING";
/** How long last answers may take to leave once nothing is in flight. */
const FLUSH_MS = 250;

/** Starts the gRPC server; a failure to listen is `config.invalid` and names the address. */
export async function startGrpcServer(options: GrpcServerOptions): Promise<GrpcServer> {
  // What grpc-js would print, say that an address is taken, is in the errors raised here.
  if (process.env["GRPC_VERBOSITY"] === undefined) setLogVerbosity(logVerbosity.NONE);
  const inFlightMax = options.inFlightMax ?? 8_192;
  const gate = new Gate(inFlightMax);
  const services = options.operator === undefined ? [SERVICE] : [SERVICE, ADMIN_SERVICE];
  const health = new HealthImplementation({});
  for (const service of ["", ...services]) health.setStatus(service, SERVING);
  const onFault = options.onFault ?? (() => {});
  const server = new Server({
    "grpc.max_receive_message_length": LIMITS.messageBytes,
    "grpc.max_concurrent_streams": inFlightMax,
    "grpc.keepalive_time_ms": 60_000,
    "grpc.keepalive_timeout_ms": 20_000,
    // Stays on: without its bookkeeping grpc-js's forceShutdown leaves connections open.
    "grpc.enable_channelz": 1,
  });
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
  const handlers = decisionService({ ...serving, weir: options.weir, streamInFlightMax });
  // Typed method by method; grpc-js takes the whole as one untyped record.
  server.addService(SERVER_METHODS as unknown as ServiceDefinition, handlers);
  if (options.operator !== undefined) {
    const definition = ADMIN_SERVER_METHODS as unknown as ServiceDefinition;
    server.addService(definition, adminService(options.operator, serving));
  }
  health.addToServer(server);
  addReflection(server, services);
  const port = await listen(server, options);
  const stopped = (): void => {
    for (const service of ["", ...services]) health.setStatus(service, NOT_SERVING);
  };
  let drained: Promise<boolean> | undefined;
  return {
    port,
    drain: (timeoutMs) => (drained ??= drain(server, gate, stopped, timeoutMs)),
  };
}

function listen(server: Server, options: GrpcServerOptions): Promise<number> {
  const { host, port } = options;
  const local = host.startsWith("unix:");
  const address = local ? host : `${host.includes(":") ? `[${host}]` : host}:${port}`;
  const credentials = options.credentials ?? ServerCredentials.createInsecure();
  return new Promise((resolve, reject) => {
    const fail = (cause: Error): void => {
      server.forceShutdown();
      const message = `cannot listen on ${address}: ${cause.message}`;
      reject(new WeirError("config.invalid", message, { cause }));
    };
    try {
      server.bindAsync(address, credentials, (error, bound) => {
        if (error) fail(error);
        else resolve(local ? 0 : bound);
      });
    } catch (error) {
      fail(error as Error);
    }
  });
}

async function drain(
  server: Server,
  gate: Gate,
  report: () => void,
  timeoutMs: number,
): Promise<boolean> {
  report();
  const answered = gate.close();
  // An open health watch would keep tryShutdown waiting for ever, hence the flush time.
  const closed = new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
  const clean = await within(answered, timeoutMs);
  if (clean) await within(closed, FLUSH_MS);
  server.forceShutdown();
  return clean;
}

async function within(promise: Promise<void>, timeoutMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), timeoutMs);
  });
  const done = await Promise.race([promise.then(() => true), timeout]);
  clearTimeout(timer);
  return done;
}
