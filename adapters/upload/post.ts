/** One thing to send. */
export interface Post {
  readonly url: string;
  /** Sent as a bearer token; "": none. */
  readonly token: string;
  /** Gzipped JSON. */
  readonly body: Buffer;
  readonly signal?: AbortSignal;
}

/**
 * What became of it: `refused` is about what was sent, and would be the same the next time; `failed` is
 * about the server or the way to it.
 */
export type Posted =
  | { readonly kind: "taken" }
  | { readonly kind: "failed" | "refused"; readonly why: string };

const SILENCE_MS = 30_000;
/** Bad request, content too large, content that cannot be processed. */
const REFUSALS: readonly number[] = [400, 413, 422];

/** Sends gzipped JSON as OPA does. Never throws. */
export async function postJson({ body, signal, token, url }: Post): Promise<Posted> {
  const headers = {
    "content-encoding": "gzip",
    "content-type": "application/json",
    ...(token !== "" && { authorization: `Bearer ${token}` }),
  };
  const timeout = AbortSignal.timeout(SILENCE_MS);
  try {
    const response = await fetch(url, {
      body: new Uint8Array(body),
      headers,
      method: "POST",
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
    });
    await response.body?.cancel();
    if (response.ok) return { kind: "taken" };
    const kind = REFUSALS.includes(response.status) ? "refused" : "failed";
    return { kind, why: `${url} answers ${response.status}` };
  } catch (thrown) {
    const why = timeout.aborted ? "it does not answer" : reasonOf(thrown);
    return { kind: "failed", why: `${url} cannot be reached: ${why}` };
  }
}

/** fetch says "fetch failed" and keeps what happened to itself. */
function reasonOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const { cause } = thrown;
  return cause instanceof Error ? cause.message || cause.name : thrown.message;
}
