import { setTimeout as sleep } from "node:timers/promises";
import {
  logVerbosity,
  Server,
  ServerCredentials,
  setLogVerbosity,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { HealthImplementation } from "grpc-health-check";
import { WeirError } from "../../engine/errors.ts";
import { Gate } from "./gate.ts";

/** One service of a server. */
export interface HostedService {
  /** Full name, as health checks know it. */
  readonly name: string;
  readonly definition: ServiceDefinition;
  readonly handlers: UntypedServiceImplementation;
}

/** Where a server listens and what it bears. */
export interface HostOptions {
  /** Address or name to listen on, or "unix:<path>" (the port is then ignored). */
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
  /** Without them the server speaks plain HTTP/2. */
  readonly credentials?: ServerCredentials;
  /** Messages in flight over all calls; one more is refused with `server.overloaded`. */
  readonly inFlightMax: number;
  /** Largest message taken, bytes. */
  readonly messageBytesMax: number;
  /** Age at which a connection is told to be made anew, ms, so that clients spread over replicas. */
  readonly connectionAgeMs?: number;
  /** How a drain waits for clients that find out by health checks; without it, not at all. */
  readonly notice?: Notice;
}

/** Reported as not serving, a server goes on until nothing came in for so long, or this is over. */
export interface Notice {
  readonly quietMs: number;
  readonly maxMs: number;
}

/** A listening server. */
export interface GrpcServer {
  /** The port it listens on; 0 on a local socket. */
  readonly port: number;
  /**
   * Reports itself as not serving, gives the notice there is, takes nothing new, answers what is in flight
   * and closes; after `timeoutMs` whatever is left is cut off. Always resolves: true if nothing was cut off.
   */
  drain(timeoutMs: number): Promise<boolean>;
}

const NOT_SERVING = "NOT_SERVING";
const SERVING = "SERVING";
/** How long last answers may take to leave once nothing is in flight. */
const FLUSH_MS = 250;
const NOTICE_POLL_MS = 20;

/**
 * Listens with the services that are made for the server's gate, and with health. `prepare` adds
 * what is none of them. A failure to listen is `config.invalid` and names the address.
 */
export async function hostServices(
  options: HostOptions,
  servicesFor: (gate: Gate) => readonly HostedService[],
  prepare: (server: Server) => void = () => {},
): Promise<GrpcServer> {
  // What grpc-js would print, say that an address is taken, is in the errors raised here.
  if (process.env["GRPC_VERBOSITY"] === undefined) setLogVerbosity(logVerbosity.NONE);
  const { connectionAgeMs } = options;
  const gate = new Gate(options.inFlightMax);
  const server = new Server({
    "grpc.max_receive_message_length": options.messageBytesMax,
    "grpc.max_concurrent_streams": options.inFlightMax,
    "grpc.keepalive_time_ms": 60_000,
    "grpc.keepalive_timeout_ms": 20_000,
    // Stays on: without its bookkeeping grpc-js's forceShutdown leaves connections open.
    "grpc.enable_channelz": 1,
    ...(connectionAgeMs === undefined ? {} : { "grpc.max_connection_age_ms": connectionAgeMs }),
  });
  const services = servicesFor(gate);
  const names = ["", ...services.map(({ name }) => name)];
  const health = new HealthImplementation({});
  for (const name of names) health.setStatus(name, SERVING);
  for (const { definition, handlers } of services) server.addService(definition, handlers);
  health.addToServer(server);
  prepare(server);
  const port = await listen(server, options);
  const stopped = async (timeoutMs: number): Promise<void> => {
    for (const name of names) health.setStatus(name, NOT_SERVING);
    if (options.notice !== undefined) await untilQuiet(gate, options.notice, timeoutMs);
  };
  let drained: Promise<boolean> | undefined;
  return {
    port,
    drain: (timeoutMs) => (drained ??= drain(server, gate, stopped, timeoutMs)),
  };
}

function listen(server: Server, options: HostOptions): Promise<number> {
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
  stopped: (timeoutMs: number) => Promise<void>,
  timeoutMs: number,
): Promise<boolean> {
  const startMs = performance.now();
  await stopped(timeoutMs);
  const answered = gate.close();
  // An open health watch would keep tryShutdown waiting for ever, hence the flush time.
  const closed = new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
  const clean = await within(answered, timeoutMs - (performance.now() - startMs));
  if (clean) await within(closed, FLUSH_MS);
  server.forceShutdown();
  return clean;
}

async function untilQuiet(gate: Gate, notice: Notice, timeoutMs: number): Promise<void> {
  const endMs = performance.now() + Math.min(notice.maxMs, timeoutMs);
  while (gate.quietMs() < notice.quietMs && performance.now() < endMs) await sleep(NOTICE_POLL_MS);
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
