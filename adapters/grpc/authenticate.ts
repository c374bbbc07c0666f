import type { Metadata } from "@grpc/grpc-js";
import { WeirError } from "../../engine/errors.ts";
import type { Caller } from "../../engine/weir.ts";

/** Tells who calls. */
export interface Authenticator {
  /**
   * The caller of a key, or of no key, at a peer: "address:port", an address, or "unix:" for a
   * local socket. Throws WeirError `auth.unauthenticated`. Cheap enough to be asked per message.
   */
  authenticate(key: string | null, peer: string): Caller;
}

const BEARER = /^bearer +(\S+)$/i;

/**
 * The API key a call carries in `authorization: Bearer <key>` or `x-weir-key: <key>`; null where it
 * carries none. A header that is there but malformed is refused, never taken for no key.
 */
export function keyOf(metadata: Metadata): string | null {
  const authorization = metadata.get("authorization");
  if (authorization.length > 0) {
    const match = BEARER.exec(single("authorization", authorization));
    if (match?.[1] !== undefined) return match[1];
    throw unauthenticated("authorization is not of the form 'Bearer <key>'");
  }
  const header = metadata.get("x-weir-key");
  return header.length > 0 ? single("x-weir-key", header) : null;
}

function single(name: string, values: readonly (string | Buffer)[]): string {
  const [value] = values;
  if (values.length === 1 && typeof value === "string") return value;
  throw unauthenticated(`${name} is given ${values.length} times; give one key`);
}

function unauthenticated(message: string): WeirError {
  return new WeirError("auth.unauthenticated", message);
}
