import { BlockList, isIP, isIPv6 } from "node:net";
import { resolve } from "node:path";

import { type NoteVerifier, readVerifier } from "../../engine/audit/note.ts";

/** Where a server listens. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** A type of setting: what it accepts, in words, and how its text is read. */
export interface ValueType<Value> {
  /** "a whole number from 1 to 9": completes the sentence "accepted is …". */
  readonly accepts: string;
  /** Placeholder in help: "MS", "HOST:PORT". */
  readonly placeholder: string;
  /** The value, or undefined if the text is not one; relative paths start at `folder`. */
  read(text: string, folder: string): Value | undefined;
}

/** A whole number within a range. */
export function integer(min: number, max: number): ValueType<number> {
  return {
    accepts: `a whole number from ${min} to ${max}`,
    placeholder: "N",
    read(text) {
      const value = /^[0-9]{1,15}$/.test(text) ? Number(text) : Number.NaN;
      return value >= min && value <= max ? value : undefined;
    },
  };
}

/** A length of time with its unit, in whole milliseconds, within a range. */
export function duration(minMs: number, maxMs: number): ValueType<number> {
  return {
    accepts: `a duration from ${formatDuration(minMs)} to ${formatDuration(maxMs)}, such as 250ms, 10s, 5m, 1h`,
    placeholder: "DURATION",
    read(text) {
      const match = /^([0-9]{1,9}(?:\.[0-9]{1,3})?)(ms|s|m|h)$/.exec(text);
      if (match === null) return undefined;
      const value = Number(match[1]) * (UNIT_MS[match[2] as keyof typeof UNIT_MS] ?? Number.NaN);
      const whole = Math.round(value);
      if (Math.abs(value - whole) > 1e-6) return undefined;
      return whole >= minMs && whole <= maxMs ? whole : undefined;
    },
  };
}

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** Milliseconds in the largest unit that keeps them whole: "90s", "2m". */
export function formatDuration(ms: number): string {
  for (const unit of ["h", "m", "s"] as const) {
    if (ms > 0 && ms % UNIT_MS[unit] === 0) return `${ms / UNIT_MS[unit]}${unit}`;
  }
  return `${ms}ms`;
}

/** One word of a closed list. */
export function choice<Word extends string>(...words: readonly Word[]): ValueType<Word> {
  return {
    accepts: `one of ${words.join(", ")}`,
    placeholder: words.join("|"),
    read: (text) => words.find((word) => word === text),
  };
}

/** Different words of a closed list, in an order that matters. */
export function choices<Word extends string>(
  ...words: readonly Word[]
): ValueType<readonly Word[]> {
  return {
    accepts: `one or more of ${words.join(", ")}, each once, with commas between them`,
    placeholder: "LIST",
    read(text) {
      const given = text.split(",").map((one) => one.trim());
      const known = words.filter((word) => given.includes(word));
      if (known.length !== given.length) return undefined;
      return known.toSorted((one, other) => given.indexOf(one) - given.indexOf(other));
    },
  };
}

/** A name of 1 to 64 letters, digits and _ . - */
export function identifier(): ValueType<string> {
  return {
    accepts: "1 to 64 letters, digits and _ . -",
    placeholder: "NAME",
    read: (text) => (/^[\w.-]{1,64}$/.test(text) ? text : undefined),
  };
}

/** Host and port; port 0 lets the system choose. */
export function address(): ValueType<Address> {
  return {
    accepts: "host:port with a port from 0 to 65535, such as 127.0.0.1:7350 or [::1]:7350",
    placeholder: "HOST:PORT",
    read: readAddress,
  };
}

/** A file or folder; the value is absolute. */
export function path(): ValueType<string> {
  return {
    accepts: "a path of 1 to 4096 characters",
    placeholder: "PATH",
    read(text, folder) {
      if (text === "" || text.length > 4096 || text.includes("\0")) return undefined;
      return resolve(folder, text);
    },
  };
}

/** A path, or an http(s) URL, which stays as it is. */
export function location(): ValueType<string> {
  const local = path();
  return {
    accepts: `${local.accepts}, or an http(s) URL`,
    placeholder: "PATH|URL",
    read(text, folder) {
      if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) return local.read(text, folder);
      return /^https?:\/\//.test(text) && URL.canParse(text) ? text : undefined;
    },
  };
}

/** A secret: any text of at most 4096 characters, the empty one for none. */
export function secret(): ValueType<string> {
  return {
    accepts: "text of at most 4096 characters",
    placeholder: "TEXT",
    read: (text) => (text.length <= 4096 ? text : undefined),
  };
}

/** A value, or nothing at all where the text is empty. */
export function optional<Value>(type: ValueType<Value>): ValueType<Value | null> {
  return {
    accepts: `${type.accepts}, or nothing`,
    placeholder: type.placeholder,
    read: (text, folder) => (text === "" ? null : type.read(text, folder)),
  };
}

/** "sqlite", "off", or the URL of a Postgres; the value is the text itself. */
export function ledgerStore(): ValueType<string> {
  return {
    accepts: "sqlite, off, or a URL such as postgres://user:password@host:5432/weir",
    placeholder: "sqlite|off|URL",
    read: (text) => (text === "sqlite" || text === "off" || isPostgresUrl(text) ? text : undefined),
  };
}

function isPostgresUrl(text: string): boolean {
  if (!/^postgres(ql)?:\/\/[^\s]+$/.test(text) || !URL.canParse(text)) return false;
  const { hash, hostname, pathname } = new URL(text);
  return hostname !== "" && hash === "" && /^\/[^/]+$/.test(pathname);
}

const HOST_NAME =
  /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/i;

function readAddress(text: string): Address | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):([0-9]{1,5})$/.exec(text);
  if (match === null) return undefined;
  const [, bracketed, plain, digits] = match;
  const port = Number(digits);
  if (port > 65_535) return undefined;
  if (bracketed !== undefined) return isIPv6(bracketed) ? { host: bracketed, port } : undefined;
  if (plain === undefined || (isIP(plain) === 0 && !isHostName(plain))) return undefined;
  return { host: plain, port };
}

// 999.1.1.1 has the form of a name, yet nobody means one.
function isHostName(text: string): boolean {
  return HOST_NAME.test(text) && !/^[0-9.]+$/.test(text);
}

/** An address as it is typed: IPv6 in brackets. */
export function formatAddress({ host, port }: Address): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");

/** Whether only this machine can reach the host: 127.0.0.0/8, ::1, localhost. */
export function isLoopback(host: string): boolean {
  const family = isIP(host);
  if (family === 0) return host.toLowerCase() === "localhost";
  return LOOPBACK.check(host, family === 6 ? "ipv6" : "ipv4");
}

/** An http or https URL. */
export function webAddress(): ValueType<string> {
  return {
    accepts: "an http or https URL, such as http://127.0.0.1:7353",
    placeholder: "URL",
    read(text) {
      const url = URL.parse(text);
      const isPlain = url !== null && url.username === "" && url.search === "" && url.hash === "";
      return isPlain && /^https?:$/.test(url.protocol) ? text : undefined;
    },
  };
}

/** Public key of a witness. */
export function verifierKey(): ValueType<NoteVerifier> {
  return {
    accepts: "the public key of a witness, as in NAME+HASH+BASE64",
    placeholder: "KEY",
    read(text) {
      const key = readVerifier(text);
      return key?.kind === "cosignature" ? key : undefined;
    },
  };
}
