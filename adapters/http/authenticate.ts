import type { IncomingMessage } from "node:http";
import { WeirError } from "../../engine/errors.ts";
import type { Caller } from "../../engine/weir.ts";

/** Proves who calls; throws `auth.unauthenticated`. */
export interface Authenticator {
  authenticate(key: string | null, peer: string): Caller;
}

/** The caller by its key (`authorization: Bearer …` or `x-weir-key`) and its address. */
export function callerOf(request: IncomingMessage, authenticator: Authenticator): Caller {
  return authenticator.authenticate(keyOf(request), request.socket.remoteAddress ?? "");
}

function keyOf(request: IncomingMessage): string | null {
  const { authorization } = request.headers;
  if (authorization !== undefined) {
    const key = /^bearer +(\S+)$/i.exec(authorization.trim())?.[1];
    if (key !== undefined) return key;
    const message = "authorization is not of the form Bearer KEY";
    throw new WeirError("auth.unauthenticated", message);
  }
  const key = request.headers["x-weir-key"];
  return typeof key === "string" && key !== "" ? key : null;
}
