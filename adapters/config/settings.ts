import { fileURLToPath } from "node:url";
import type { NoteVerifier } from "../../engine/audit/note.ts";
import { type StateAddress, stateAddress } from "./state-address.ts";
import {
  type Address,
  address,
  choice,
  duration,
  integer,
  ledgerStore,
  location,
  optional,
  path,
  secret,
  type ValueType,
  choices,
  identifier,
  verifierKey,
  webAddress,
} from "./values.ts";

/** Every setting of the service, checked. Paths are absolute, times are milliseconds. */
export interface Settings {
  readonly grpcListen: Address;
  readonly httpListen: Address;
  /** Null: nothing is served to Envoy. */
  readonly envoyListen: Address | null;
  readonly envoyTls: string | null;
  readonly envoyIdentity: readonly ("mtls" | "jwt" | "key")[];
  readonly envoyJwtKey: string;
  readonly envoyUnmetered: "allow" | "block";
  readonly data: string;
  readonly state: StateAddress;
  readonly stateTimeoutMs: number;
  readonly stateReplicas: number;
  /** "sqlite", "off", or the URL of a Postgres. */
  readonly ledger: string;
  readonly bundle: string;
  readonly bundleKeys: string | null;
  readonly bundleToken: string;
  readonly bundlePollMs: number;
  readonly bundleLongPollMs: number;
  readonly canary: string | null;
  readonly opaService: string | null;
  readonly opaToken: string;
  readonly opaUploadLimit: number;
  readonly mode: "enforce" | "shadow";
  readonly logSync: "os" | "interval" | "always";
  readonly logSyncIntervalMs: number;
  readonly logSegmentMebibytes: number;
  readonly checkpointRecords: number;
  readonly checkpointIntervalMs: number;
  readonly witness: string | null;
  readonly witnessKey: NoteVerifier | null;
  readonly drainTimeoutMs: number;
  readonly inFlightMax: number;
  readonly sweepIntervalMs: number;
}

/** One setting. Its one name gives the flag, the variable and the key in the file. */
export interface Setting<Value> {
  /** Key in weir.yaml: "grpc_listen". The flag is --grpc-listen, the variable WEIR_GRPC_LISTEN. */
  readonly name: string;
  readonly type: ValueType<Value>;
  /** As it would be typed. */
  readonly default: string;
  /** How help shows the default where the text itself says little. */
  readonly defaultShown?: string;
  readonly doc: string;
}

/** All settings, in the order in which help lists them. */
export const SETTINGS: { readonly [Key in keyof Settings]: Setting<Settings[Key]> } = {
  grpcListen: {
    name: "grpc_listen",
    type: address(),
    default: "127.0.0.1:7350",
    doc: "where gRPC is served; beyond loopback only once an API key exists",
  },
  httpListen: {
    name: "http_listen",
    type: address(),
    default: "127.0.0.1:7351",
    doc: "where HTTP is served: decisions, health, metrics",
  },
  envoyListen: {
    name: "envoy_listen",
    type: optional(address()),
    default: "",
    defaultShown: "nowhere",
    doc: "where Envoy is served: authorization, access logs, external processing; beyond loopback only with envoy_tls",
  },
  envoyTls: {
    name: "envoy_tls",
    type: optional(path()),
    default: "",
    defaultShown: "plain HTTP/2",
    doc: "folder of tls.crt, tls.key and ca.crt: only an Envoy with a certificate of that CA is served",
  },
  envoyIdentity: {
    name: "envoy_identity",
    type: choices("mtls", "jwt", "key"),
    default: "mtls,jwt,key",
    doc: "proofs of identity that calls through Envoy may carry; the first that is there decides",
  },
  envoyJwtKey: {
    name: "envoy_jwt_key",
    type: identifier(),
    default: "weir_jwt",
    doc: "payload_in_metadata of Envoy's jwt_authn: where the verified claims are",
  },
  envoyUnmetered: {
    name: "envoy_unmetered",
    type: choice("block", "allow"),
    default: "block",
    doc: "calls through Envoy that use no model, such as lists: decided as unknown, or let through",
  },
  data: {
    name: "data",
    type: path(),
    default: "./weir-data",
    doc: "folder of the log, the ledger and the API keys; made if it is not there",
  },
  state: {
    name: "state",
    type: stateAddress(),
    default: "memory",
    doc: "where budgets, velocity and freezes are kept: a Redis is shared by a fleet",
  },
  stateTimeoutMs: {
    name: "state_timeout",
    type: duration(10, 60_000),
    default: "500ms",
    doc: "how long an answer of the Redis is waited for; then the state is unavailable",
  },
  stateReplicas: {
    name: "state_replicas",
    type: integer(0, 10),
    default: "0",
    doc: "replicas of the Redis that must have a hold or a charge before it counts as made",
  },
  ledger: {
    name: "ledger",
    type: ledgerStore(),
    default: "sqlite",
    doc: "where the ledger is kept for queries: a file in the data folder, a Postgres that a fleet shares, or nowhere",
  },
  bundle: {
    name: "bundle",
    type: location(),
    default: fileURLToPath(new URL("../../bundles/starter", import.meta.url)),
    defaultShown: "the starter bundle that ships",
    doc: "the policy bundle that decides: a folder, a .tar.gz archive, or the URL of one",
  },
  bundleKeys: {
    name: "bundle_keys",
    type: optional(path()),
    default: "",
    defaultShown: "none: bundles need no signature",
    doc: "public key in PEM, or keys by id in JSON; a bundle that none of them signed is refused",
  },
  bundleToken: {
    name: "bundle_token",
    type: secret(),
    default: "",
    defaultShown: "none",
    doc: "bearer token for the bundle's URL; better given as a variable, which ps does not show",
  },
  bundlePollMs: {
    name: "bundle_poll",
    type: duration(100, 3_600_000),
    default: "30s",
    doc: "how often a bundle's URL is asked for changes, less up to half of it by chance",
  },
  bundleLongPollMs: {
    name: "bundle_long_poll",
    type: duration(0, 240_000),
    default: "30s",
    doc: "how long its server may wait for a change, if it can; it is asked again at once then",
  },
  canary: {
    name: "canary",
    type: optional(location()),
    default: "",
    defaultShown: "none",
    doc: "a second bundle, as bundle: it judges the same calls, decides nothing, and is compared",
  },
  opaService: {
    name: "opa_service",
    type: optional(webAddress()),
    default: "",
    defaultShown: "none",
    doc: "URL of a server that collects OPA's decision logs (/logs) and status (/status)",
  },
  opaToken: {
    name: "opa_token",
    type: secret(),
    default: "",
    defaultShown: "none",
    doc: "bearer token for it; better given as a variable, which ps does not show",
  },
  opaUploadLimit: {
    name: "opa_upload_limit",
    type: integer(1_024, 8_388_608),
    default: "32768",
    doc: "most bytes of decision logs, gzipped, that it is sent at once",
  },
  mode: {
    name: "mode",
    type: choice("enforce", "shadow"),
    default: "enforce",
    doc: "shadow decides and records as usual and answers allow",
  },
  logSync: {
    name: "log_sync",
    type: choice("os", "interval", "always"),
    default: "interval",
    doc: "when the log is forced to disk; a killed process loses nothing with any of them",
  },
  logSyncIntervalMs: {
    name: "log_sync_interval",
    type: duration(1, 60_000),
    default: "100ms",
    doc: "how often, with log_sync interval",
  },
  logSegmentMebibytes: {
    name: "log_segment",
    type: integer(1, 1_024),
    default: "64",
    doc: "MiB after which a segment of the log is closed and compressed",
  },
  checkpointRecords: {
    name: "checkpoint_records",
    type: integer(1, 1_000_000),
    default: "1000",
    doc: "records after which the log is signed",
  },
  checkpointIntervalMs: {
    name: "checkpoint_interval",
    type: duration(100, 86_400_000),
    default: "10s",
    doc: "time after which the log is signed if records came",
  },
  witness: {
    name: "witness",
    type: optional(webAddress()),
    default: "",
    defaultShown: "none",
    doc: "URL of a witness that signs every checkpoint too",
  },
  witnessKey: {
    name: "witness_key",
    type: optional(verifierKey()),
    default: "",
    defaultShown: "none",
    doc: "public key of the witness, as audit witness shows it",
  },
  drainTimeoutMs: {
    name: "drain_timeout",
    type: duration(0, 600_000),
    default: "10s",
    doc: "how long a stop waits for the decisions in flight",
  },
  inFlightMax: {
    name: "in_flight_max",
    type: integer(1, 100_000),
    default: "1024",
    doc: "decisions worked on at the same time; one more is refused as overloaded",
  },
  sweepIntervalMs: {
    name: "sweep_interval",
    type: duration(100, 600_000),
    default: "1s",
    doc: "how often reservations past their deadline are ended",
  },
};

/** Variables beside the settings, with what they are for. */
export const OTHER_VARIABLES = {
  WEIR_CONFIG: "path of the configuration file, as --config",
  WEIR_KEY: "API key of the commands that call a service, as --key",
  WEIR_SERVER: "address of the service they call, as --server",
} as const;

/** Name of a setting as a flag, without the dashes: "grpc-listen". */
export function flagOf(name: string): string {
  return name.replaceAll("_", "-");
}

/** Name of a setting as an environment variable: "WEIR_GRPC_LISTEN". */
export function variableOf(name: string): string {
  return `WEIR_${name.toUpperCase()}`;
}
