import { setTimeout as sleep } from "node:timers/promises";
import { WeirError } from "../engine/errors.ts";
import { warmUp } from "../engine/decision/warm-up.ts";
import type { BundleOperator } from "../engine/operator/bundles.ts";
import { createOperator } from "../engine/operator/create-operator.ts";
import type { Operator } from "../engine/operator/operator.ts";
import { createLedgerReader, type LedgerReader } from "../engine/ledger/reader.ts";
import { createWeir } from "../engine/pipeline.ts";
import type { Bundle } from "../engine/policy/bundle.ts";
import type { Clock, Ids, Ports } from "../engine/ports.ts";
import { FreezeTable } from "../engine/reservation/freeze-table.ts";
import { GrantTable } from "../engine/reservation/grants.ts";
import type { Weir } from "../engine/weir.ts";
import { type Config, isLoopback } from "./config.ts";
import { type Address, formatAddress } from "./config/values.ts";
import type { Authenticator } from "./grpc/authenticate.ts";
import { startGrpcServer } from "./grpc/server.ts";
import { type Readiness, startHttpServer } from "./http/server.ts";
import { type KeyAuthenticator, openAuthenticator } from "./keys/authenticator.ts";
import { listKeys } from "./keys/keys.ts";
import { startBundleUpkeep } from "./serve/bundle-upkeep.ts";
import { refuseOpenEnvoyDoor, startEnvoyServer } from "./serve/envoy-server.ts";
import { openLedger } from "./serve/ledger-host.ts";
import { openLocalStorage } from "./serve/local-storage.ts";
import type { Storage } from "./serve/storage.ts";
import { startSweeper } from "./serve/sweeper.ts";
import { systemClock } from "./system/clock.ts";
import { RandomIds } from "./system/ids.ts";
import {
  countRefusals,
  instrument,
  instrumentLedger,
  instrumentOperator,
} from "./telemetry/instrument.ts";
import { createMetrics, type Metrics } from "./telemetry/metrics.ts";

/** Who a caller on this machine is for as long as no API key was ever made. */
export const LOOPBACK_PRINCIPAL = "local";

/** What tests and commands put in place of the real thing. */
export interface Overrides {
  readonly clock?: Clock;
  readonly ids?: Ids;
  readonly storage?: Storage;
  /** Told of every fault of Weir itself, of which callers only learn that there was one. */
  readonly onFault?: (error: WeirError) => void;
}

/** An engine with its ports. */
export interface Engine {
  readonly weir: Weir;
  readonly operator: Operator;
  /** The ledger as it can be asked; null where there is no store for it. */
  readonly ledger: LedgerReader | null;
  /** How far that store is behind the log, seconds. */
  ledgerLagSeconds(): number;
  readonly ports: Ports;
  bundle(): Bundle;
  openReservations(): Promise<number>;
  /** Waits for what is in flight, the drain timeout at most, then closes the storage. */
  close(): Promise<void>;
}

/** Opens bundle and storage and puts the engine on them; no server. */
export async function openEngine(config: Config, overrides: Overrides = {}): Promise<Engine> {
  const { clock = systemClock, ids = new RandomIds(), onFault = () => {} } = overrides;
  const storage = overrides.storage ?? (await openLocalStorage(config, clock, onFault));
  const { state, log, ledger, bundles } = storage;
  const grants = new GrantTable(await state.grants());
  const freezes = new FreezeTable(await state.freezes());
  storage.watchControls?.((controls) => {
    grants.follow(controls.grants);
    freezes.replace(controls.freezes);
  });
  const options = {
    freezes,
    grants,
    inFlightMax: config.inFlightMax,
    mode: config.mode,
    notBeforeMs: storage.lastMs,
  };
  warmUp(bundles.current(), clock.nowMs());
  const masks = storage.masks === undefined ? {} : { masks: storage.masks };
  const ports = { state, log, ledger, bundles, clock, ids, ...masks };
  const weir = createWeir(ports, options);
  const kept = storage.logFolder !== undefined && config.ledger !== "off";
  const host = kept ? openLedger(config, onFault) : null;
  return {
    weir,
    operator: createOperator(ports, options),
    ledger:
      host &&
      createLedgerReader({ clock, config: () => bundles.current().data, log, store: host.store }),
    ledgerLagSeconds: () => host?.lagSeconds() ?? Number.NaN,
    ports,
    bundle: () => bundles.current(),
    openReservations: () => state.openReservations(),
    close: async () => {
      await Promise.race([weir.idle(), sleep(config.drainTimeoutMs, undefined, { ref: false })]);
      await host?.close();
      await storage.close();
    },
  };
}

/** A running service. */
export interface Service {
  readonly grpc: Address;
  readonly http: Address;
  /** Null where nothing is served to Envoy. */
  readonly envoy: Address | null;
  readonly weir: Weir;
  readonly bundle: { readonly revision: string; readonly digest: string };
  /**
   * Takes nothing new, answers what is in flight, flushes the log; bounded by the drain timeout.
   * Resolves to true if nothing was cut off. A second call joins the first.
   */
  stop(): Promise<boolean>;
}

/**
 * Starts everything a node runs: engine, gRPC, HTTP, metrics, the sweeper. HTTP answers first, as
 * not ready, for opening the storage may take a while. Fails as a whole, leaving nothing open.
 */
export async function startService(config: Config, overrides: Overrides = {}): Promise<Service> {
  refuseOpenDoor(config);
  refuseOpenEnvoyDoor(config);
  const onFault = overrides.onFault ?? (() => {});
  const clock = overrides.clock ?? systemClock;
  const closers: (() => unknown)[] = [];
  let readiness: Readiness = "starting";
  let engine: Engine | undefined;
  let weir: Weir | undefined;
  const metrics = createMetrics({
    openReservations: () => countOpen(engine),
    bundle: () => engine?.bundle() ?? null,
    ledgerLagSeconds: () => engine?.ledgerLagSeconds() ?? Number.NaN,
  });
  closers.push(() => metrics.close());
  try {
    const keys = openAuthenticator({
      dir: config.data,
      loopbackPrincipal: LOOPBACK_PRINCIPAL,
      onError: onFault,
    });
    closers.push(() => keys.close());
    const authenticator = countRefusals(keys, metrics);
    const http = await startHttpServer({
      ...config.httpListen,
      authenticator,
      readiness: () => readiness,
      metrics: () => metrics.exposition(),
      onFault,
      weir: () => weir ?? unready(),
    });
    closers.push(() => http.drain(0));
    engine = await openEngine(config, overrides);
    closers.push(() => engine?.close());
    weir = instrument(engine.weir, metrics, () => clock.elapsedUs());
    const sweeper = startSweeper(weir, config.sweepIntervalMs, onFault);
    closers.push(() => sweeper.stop());
    const upkeep = await startBundleUpkeep(config, engine.ports, metrics, onFault);
    closers.push(() => upkeep?.stop());
    const bundles = upkeep?.operator;
    const parts = { authenticator, bundles, engine, keys, metrics, onFault, weir };
    const { envoy, grpc } = await startGrpcServers(config, parts, closers);
    readiness = "ready";
    const stop = async (): Promise<boolean> => {
      readiness = "draining";
      const timeoutMs = config.drainTimeoutMs;
      const servers = [grpc, http, ...(envoy === null ? [] : [envoy])];
      const drained = await Promise.all(servers.map((server) => server.drain(timeoutMs)));
      await closeAll(closers);
      return drained.every(Boolean);
    };
    let stopped: Promise<boolean> | undefined;
    return {
      grpc: { host: config.grpcListen.host, port: grpc.port },
      http: { host: config.httpListen.host, port: http.port },
      envoy: envoy === null ? null : { host: config.envoyListen?.host ?? "", port: envoy.port },
      weir,
      bundle: engine.bundle(),
      stop: () => (stopped ??= stop()),
    };
  } catch (thrown) {
    await closeAll(closers);
    throw thrown;
  }
}

/** What the servers over gRPC take of a service. */
interface ServingParts {
  readonly authenticator: Authenticator;
  readonly bundles: BundleOperator | undefined;
  readonly keys: KeyAuthenticator;
  readonly engine: Engine;
  readonly metrics: Metrics;
  readonly onFault: (error: WeirError) => void;
  readonly weir: Weir;
}

/** The server of callers and, where the configuration says so, the one of Envoy. */
async function startGrpcServers(
  config: Config,
  { authenticator, bundles, engine, keys, metrics, onFault, weir }: ServingParts,
  closers: (() => unknown)[],
) {
  const operator = instrumentOperator(engine.operator, metrics);
  const ledger = engine.ledger && instrumentLedger(engine.ledger, metrics);
  const serving = { weir, operator, bundles, ...(ledger && { ledger }), authenticator, onFault };
  const grpc = await startGrpcServer({ ...config.grpcListen, ...serving });
  closers.push(() => grpc.drain(0));
  const envoy = await startEnvoyServer(config, {
    keys,
    onFault,
    onSettlement: (result) => metrics.settled(result),
    principals: () => engine.bundle().data.principals,
    weir,
  });
  closers.push(() => envoy?.drain(0));
  return { envoy, grpc };
}

/** Closes in the reverse of the order of opening. */
async function closeAll(closers: readonly (() => unknown)[]): Promise<void> {
  for (const close of closers.toReversed()) await close();
}

/** Not a number while nobody can say: the other metrics are served all the same. */
async function countOpen(engine: Engine | undefined): Promise<number> {
  try {
    return (await engine?.openReservations()) ?? Number.NaN;
  } catch {
    return Number.NaN;
  }
}

function unready(): never {
  throw new WeirError("state.unavailable", "the service is starting; try again in a moment");
}

/** Without keys everyone who can connect may decide, so only this machine may be able to. */
function refuseOpenDoor(config: Config): void {
  const open = [config.grpcListen, config.httpListen].filter(({ host }) => !isLoopback(host));
  if (open.length === 0 || listKeys(config.data).length > 0) return;
  const addresses = open.map(formatAddress).join(" and ");
  const message =
    `listening on ${addresses} would let every machine in, for there is no API key in ${config.data}; ` +
    'make one with "weir key create --principal NAME", or listen on 127.0.0.1';
  throw new WeirError("config.invalid", message);
}
