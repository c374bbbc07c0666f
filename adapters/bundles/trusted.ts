import { WeirError } from "../../engine/errors.ts";
import { type BundleArchive, readArchive, unpack } from "./archive.ts";
import { fetchBundle } from "./fetch.ts";
import { readVerificationKeys } from "./keys.ts";
import { verifyArchive } from "./signature.ts";

export function isUrl(source: string): boolean {
  return /^https?:\/\//.test(source);
}

/** Reads a bundle from a path, or fetches it from a URL with a bearer token ("": none). */
export async function getArchive(source: string, token: string): Promise<BundleArchive> {
  if (!isUrl(source)) return readArchive(source);
  const answer = await fetchBundle({ etag: "", token, url: source, waitMs: 0 });
  if (answer.kind === "changed") return unpack(answer.bytes);
  throw new WeirError("bundle.unavailable", `${source} answers 304 to a first request`);
}

/**
 * Gets a bundle. With a file of keys it is refused (`bundle.invalid`) unless one of them signed it as
 * it is; null believes any.
 */
export async function readTrusted(
  source: string,
  keys: string | null,
  token = "",
): Promise<BundleArchive> {
  const files = await getArchive(source, token);
  if (keys === null) return files;
  try {
    await verifyArchive(files, readVerificationKeys(keys));
  } catch (thrown) {
    const { code, message } = WeirError.from(thrown);
    throw new WeirError(code, `bundle ${source}: ${message}`, { cause: thrown });
  }
  return files;
}
