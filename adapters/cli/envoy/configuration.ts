import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import type { Address } from "../../config/values.ts";

/** A profile that ships. */
export const PROFILES = ["default", "ext_proc"] as const;
export type Profile = (typeof PROFILES)[number];

const FOLDER = join(import.meta.dirname, "../../envoy/profiles");

/** Where everything of a trial on this machine is. */
export interface LocalPlaces {
  readonly listen: Address;
  readonly admin: Address;
  readonly weir: Address;
  /** Stands for every provider. */
  readonly provider: Address;
}

interface Cluster {
  readonly name: string;
  type: string;
  transport_socket?: unknown;
  load_assignment: unknown;
}

interface Bootstrap {
  admin: unknown;
  readonly static_resources: {
    readonly listeners: { address: unknown }[];
    readonly clusters: Cluster[];
  };
}

/**
 * A profile as it ships, with only its places changed: Envoy listens here, Weir and all providers are on
 * this machine, providers without TLS. JSON, which Envoy reads as well as YAML.
 */
export function localConfiguration(profile: Profile, places: LocalPlaces): string {
  const text = readFileSync(join(FOLDER, `${profile.replaceAll("_", "-")}.yaml`), "utf8");
  const bootstrap = parse(text, { maxAliasCount: 1_000 }) as Bootstrap;
  const { clusters, listeners } = bootstrap.static_resources;
  bootstrap.admin = { address: socketAddress(places.admin) };
  for (const listener of listeners) listener.address = socketAddress(places.listen);
  for (const cluster of clusters) {
    const address = cluster.name === "weir" ? places.weir : places.provider;
    cluster.type = "STATIC";
    delete cluster.transport_socket;
    cluster.load_assignment = {
      cluster_name: cluster.name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(address) } }] }],
    };
  }
  return JSON.stringify(bootstrap).replaceAll("/etc/envoy/weir.lua", join(FOLDER, "weir.lua"));
}

function socketAddress({ host, port }: Address) {
  return { socket_address: { address: host, port_value: port } };
}
