import type { ValueType } from "./values.ts";

/** Where the state is kept: in memory, or in a Redis: one server, a cluster, or what sentinels watch. */
export type StateAddress =
  | { readonly kind: "memory" }
  | {
      readonly kind: "server" | "cluster" | "sentinel";
      readonly hosts: readonly { readonly host: string; readonly port: number }[];
      /** Name of what the sentinels watch; "" without them. */
      readonly name: string;
      readonly user: string;
      readonly password: string;
      readonly tls: boolean;
      readonly database: number;
    };

const FORM =
  /^(?<scheme>rediss?)(?:\+(?<kind>cluster|sentinel))?:\/\/(?:(?<login>[^@/\s]*)@)?(?<hosts>[^@/\s]+)(?:\/(?<path>[^\s?#]*))?$/;

/** The state as it is typed, such as redis+sentinel://host:26379,host2:26379/NAME. */
export function stateAddress(): ValueType<StateAddress> {
  return {
    accepts:
      "memory, redis://user:password@host:6379/0, redis+cluster://host:6379,host:6379 or " +
      "redis+sentinel://host:26379,host:26379/NAME, with rediss for TLS",
    placeholder: "memory|URL",
    read: (text) => (text === "memory" ? { kind: "memory" } : readUrl(text)),
  };
}

function readUrl(text: string): StateAddress | undefined {
  const groups = FORM.exec(text)?.groups;
  if (groups === undefined) return undefined;
  const kind = (groups["kind"] ?? "server") as "server" | "cluster" | "sentinel";
  const hosts = (groups["hosts"] ?? "").split(",").map((host) => readHost(host, kind));
  const login = readLogin(groups["login"] ?? "");
  const path = readPath(groups["path"] ?? "", kind);
  if (login === undefined || path === undefined) return undefined;
  if (kind === "server" && hosts.length > 1) return undefined;
  const known = hosts.filter((host) => host !== undefined);
  if (known.length < hosts.length) return undefined;
  return { ...login, ...path, hosts: known, kind, tls: groups["scheme"] === "rediss" };
}

function readHost(text: string, kind: string): { host: string; port: number } | undefined {
  const url = `http://${text}`;
  if (!URL.canParse(url)) return undefined;
  const { host, hostname } = new URL(url);
  // The standard port of the scheme is left out of `host`.
  const typed = /:([0-9]+)$/.exec(text)?.[1];
  if (hostname === "" || (typed === undefined && host !== hostname)) return undefined;
  const port = Number(typed ?? (kind === "sentinel" ? 26_379 : 6_379));
  return port === 0 ? undefined : { host: hostname.replace(/^\[(.*)\]$/, "$1"), port };
}

function readLogin(text: string): { user: string; password: string } | undefined {
  const colon = text.indexOf(":");
  const [user, password] = colon < 0 ? [text, ""] : [text.slice(0, colon), text.slice(colon + 1)];
  try {
    return { password: decodeURIComponent(password), user: decodeURIComponent(user) };
  } catch {
    return undefined;
  }
}

/** Database of a server; name, and database, of what sentinels watch; nothing of a cluster. */
function readPath(text: string, kind: string): { name: string; database: number } | undefined {
  const pattern =
    kind === "sentinel"
      ? /^(?<name>[\w.-]+)(?:\/(?<database>[0-9]{1,3}))?$/
      : kind === "server"
        ? /^(?<database>[0-9]{0,3})$/
        : /^$/;
  const groups = pattern.exec(text);
  if (groups === null) return undefined;
  return {
    database: Number(groups.groups?.["database"] ?? 0),
    name: groups.groups?.["name"] ?? "",
  };
}
