import { timingSafeEqual } from "node:crypto";
import { stat } from "node:fs/promises";
import { WeirError } from "../../engine/errors.ts";
import type { Caller } from "../../engine/weir.ts";
import { keyFilePath, readKeyFile, type StoredKey } from "./key-file.ts";
import { digest } from "./keys.ts";
import { isLoopback } from "./peer.ts";

/** Where the keys are and who callers without keys are. */
export interface AuthenticatorOptions {
  /** The data folder. */
  readonly dir: string;
  /** Principal of callers on this machine for as long as no key was ever made. */
  readonly loopbackPrincipal: string;
  /** Told when the key file was changed into something unreadable; the keys known before stay. */
  readonly onError?: (error: WeirError) => void;
}

/** Tells callers apart by API key. */
export interface KeyAuthenticator {
  /** The caller of a key (or of none) at a peer; throws `auth.unauthenticated`. */
  authenticate(key: string | null, peer: string): Caller;
  /** Stops watching the key file. */
  close(): void;
}

interface KnownKey {
  readonly caller: Caller;
  readonly digest: Buffer;
  readonly revoked: boolean;
}

const POLL_MS = 400;
const KEY = /^weir_([0-9a-f]{12})_[0-9a-f]{64}$/;

/**
 * Opens the key file of a data folder and follows its changes. Until a key exists, callers on
 * this machine need none and all others are refused; from then on, for good, everyone needs one.
 */
export function openAuthenticator(options: AuthenticatorOptions): KeyAuthenticator {
  const path = keyFilePath(options.dir);
  const local: Caller = { principal: options.loopbackPrincipal };
  let keys = index(readKeyFile(path) ?? []);
  // Never unset: deleting the file must not open the door again.
  let keysRequired = keys.size > 0;
  const follower = followKeyFile(path, () => {
    try {
      keys = index(readKeyFile(path) ?? []);
      keysRequired ||= keys.size > 0;
    } catch (error) {
      options.onError?.(WeirError.from(error));
    }
  });
  return {
    authenticate: (key, peer) => {
      if (keysRequired) return match(keys, key);
      if (isLoopback(peer)) return local;
      throw refused("callers from other machines need an API key; make one with `weir key create`");
    },
    close: () => follower.close(),
  };
}

function match(keys: ReadonlyMap<string, KnownKey>, key: string | null): Caller {
  if (key === null) {
    throw refused("no API key given; send `authorization: Bearer <key>` or `x-weir-key: <key>`");
  }
  const id = KEY.exec(key)?.[1];
  if (id === undefined) throw refused("the API key is malformed; it looks like weir_<id>_<secret>");
  const known = keys.get(id);
  if (known === undefined || !timingSafeEqual(known.digest, digest(key))) {
    throw refused("the API key is not known");
  }
  if (known.revoked) throw refused(`the API key ${id} was revoked`);
  return known.caller;
}

function index(keys: readonly StoredKey[]): ReadonlyMap<string, KnownKey> {
  const known = keys.map(
    (key) =>
      [
        key.id,
        {
          caller: { principal: key.principal },
          digest: Buffer.from(key.sha256, "hex"),
          revoked: key.revokedAtMs !== null,
        },
      ] as const,
  );
  return new Map(known);
}

/** Calls `changed` after each change of a key file; a change before this call is seen as well. */
export function followKeyFile(path: string, changed: () => void): { close(): void } {
  let seen = "";
  const timer = setInterval(() => {
    void signature(path).then((now) => {
      if (now === seen) return;
      seen = now;
      changed();
    });
  }, POLL_MS);
  timer.unref();
  return { close: () => clearInterval(timer) };
}

async function signature(path: string): Promise<string> {
  try {
    const { ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return `${ino}/${size}/${mtimeNs}/${ctimeNs}`;
  } catch {
    return "absent";
  }
}

function refused(message: string): WeirError {
  return new WeirError("auth.unauthenticated", message);
}
