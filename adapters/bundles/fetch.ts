import { WeirError } from "../../engine/errors.ts";
import { LIMITS } from "../../engine/limits.ts";

/** One question to a bundle server. */
export interface BundleRequest {
  readonly url: string;
  /** Sent as a bearer token; "": none. */
  readonly token: string;
  /** ETag of what is here already; "": nothing is. */
  readonly etag: string;
  /** How long the server may wait for a change before it answers; 0: not at all. */
  readonly waitMs: number;
  readonly signal?: AbortSignal;
}

export type BundleAnswer =
  | { readonly kind: "unchanged"; readonly waited: boolean }
  | {
      readonly kind: "changed";
      readonly bytes: Uint8Array;
      readonly etag: string;
      /** Whether the server waits for changes: then it may be asked again at once. */
      readonly waited: boolean;
    };

/** What OPA's bundle servers call a bundle; those that say so wait for changes when asked to. */
export const BUNDLE_TYPE = "application/vnd.openpolicyagent.bundles";
/** A server that says nothing for so long has gone. */
const SILENCE_MS = 30_000;

/**
 * Asks for a bundle as OPA does: ETag, and `Prefer: wait`. Whatever keeps it from coming is
 * `bundle.unavailable`; more bytes than a bundle may have are `bundle.invalid`.
 */
export async function fetchBundle(request: BundleRequest): Promise<BundleAnswer> {
  const { etag, token, url, waitMs } = request;
  const timeout = AbortSignal.timeout(waitMs + SILENCE_MS);
  const signal =
    request.signal === undefined ? timeout : AbortSignal.any([request.signal, timeout]);
  const wait = waitMs > 0 ? `;wait=${Math.ceil(waitMs / 1_000)}` : "";
  const headers = {
    prefer: `modes=snapshot${wait}`,
    ...(etag !== "" && { "if-none-match": etag }),
    ...(token !== "" && { authorization: `Bearer ${token}` }),
  };
  try {
    const response = await fetch(url, { headers, signal });
    const waited = waitMs > 0 && response.headers.get("content-type") === BUNDLE_TYPE;
    if (response.status === 304) return { kind: "unchanged", waited };
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new WeirError("bundle.unavailable", `${url} answers ${response.status}`);
    }
    const bytes = await readBody(url, response);
    return { bytes, etag: response.headers.get("etag") ?? "", kind: "changed", waited };
  } catch (cause) {
    if (cause instanceof WeirError) throw cause;
    const why = timeout.aborted ? "it does not answer" : reasonOf(cause);
    // The rest of the cause is about sockets, and this is told whenever a server is away.
    throw new WeirError("bundle.unavailable", `${url} cannot be fetched: ${why}`);
  }
}

async function readBody(url: string, response: Response): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > LIMITS.bundleBytes) {
      const message = `${url} is too large; at most ${LIMITS.bundleBytes} bytes are accepted`;
      throw new WeirError("bundle.invalid", message);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** fetch says "fetch failed" and keeps what happened to itself. */
function reasonOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const { cause } = thrown;
  return cause instanceof Error ? cause.message || cause.name : thrown.message;
}
