import { WeirError } from "../../engine/errors.ts";
import type { Caller } from "../../engine/weir.ts";
import { type JsonObject, textIn } from "./codec.ts";
import { type Headers, KEY_HEADERS } from "./headers.ts";

/** Proofs of identity, in the order in which help lists them. */
export const IDENTITY_SOURCES = ["mtls", "jwt", "key"] as const;
export type IdentitySource = (typeof IDENTITY_SOURCES)[number];

/** Tells the caller of an API key. */
export interface KeyRing {
  authenticate(key: string | null, peer: string): Caller;
}

/** What Envoy vouches for of one request, beside its headers. */
export interface Evidence {
  /** URI SAN, else DNS SAN, else subject, of the client certificate Envoy verified; "" without one. */
  readonly certificate: string;
  /** Claims of the JWT that Envoy's jwt_authn verified; empty without one. */
  readonly claims: JsonObject;
  readonly headers: Headers;
}

/**
 * Who sends a request: the first source of the order that has anything to say decides, and what it says
 * must hold; there is no falling through to the next. No header but an API key is evidence: a JWT that
 * Envoy did not verify is none.
 * @throws WeirError `auth.unauthenticated`
 */
export function identifyCaller(
  evidence: Evidence,
  order: readonly IdentitySource[],
  keys: KeyRing,
): Caller {
  for (const source of order) {
    const caller = READERS[source](evidence, keys);
    if (caller !== null) return caller;
  }
  throw refused(`no proof of who calls; accepted are, in this order, ${order.join(", ")}`);
}

const READERS: Readonly<
  Record<IdentitySource, (evidence: Evidence, keys: KeyRing) => Caller | null>
> = {
  mtls: ({ certificate }) => {
    if (certificate === "") return null;
    return { principal: certificatePrincipal(certificate) };
  },
  jwt: ({ claims }) => {
    const issuer = textIn(claims, "iss");
    const subject = textIn(claims, "sub");
    if (issuer === "" && subject === "") return null;
    if (PLAIN.test(issuer) && PLAIN.test(subject)) return { principal: `jwt:${issuer}#${subject}` };
    throw refused("the verified JWT lacks a plain iss or sub claim");
  },
  key: ({ headers }, keys) => {
    const found = keysIn(headers);
    if (found.length === 0) return null;
    if (found.length > 1) throw refused("different API keys are given; give one");
    // Where Envoy's client is says nothing about who it is: only a key counts.
    return keys.authenticate(found[0] ?? null, "");
  },
};

const PLAIN = /^[!-~]{1,256}$/;
/** The canonical form alone: a percent sign, a dot segment or a capital would be another spelling. */
const SPIFFE =
  /^spiffe:\/\/[a-z0-9](?:[a-z0-9._-]{0,253}[a-z0-9])?(?:\/(?!\.{1,2}(?:\/|$))[\w.-]+)+$/;
const SUBJECT = /^[\w .,=@+/*:-]{1,256}$/;

/** A SPIFFE id names itself; any other name of a certificate is told apart from keys by "cert:". */
function certificatePrincipal(name: string): string {
  if (SPIFFE.test(name)) return name;
  if (!/^spiffe:/i.test(name) && SUBJECT.test(name)) return `cert:${name}`;
  throw refused("the client certificate's name is not of an accepted form");
}

/** Keys of ours, wherever a client library puts the key it was given; each once. */
function keysIn(headers: Headers): readonly string[] {
  const values = KEY_HEADERS.flatMap((name) => headers.get(name) ?? []);
  const keys = values
    .flatMap((value) => value.split(","))
    .map((value) => value.trim().replace(/^bearer +/i, ""))
    .filter((value) => value.startsWith("weir_"));
  return [...new Set(keys)];
}

function refused(message: string): WeirError {
  return new WeirError("auth.unauthenticated", message);
}
