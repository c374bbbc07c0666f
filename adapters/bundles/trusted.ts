import { WeirError } from "../../engine/errors.ts";
import { type BundleArchive, readArchive } from "./archive.ts";
import { readVerificationKeys } from "./keys.ts";
import { verifyArchive } from "./signature.ts";

/**
 * Reads a bundle from disk. With a file of keys it is refused (`bundle.invalid`) unless one of them
 * signed it as it is; null believes any.
 */
export async function readTrusted(path: string, keys: string | null): Promise<BundleArchive> {
  const files = readArchive(path);
  if (keys === null) return files;
  try {
    await verifyArchive(files, readVerificationKeys(keys));
  } catch (thrown) {
    const { code, message } = WeirError.from(thrown);
    throw new WeirError(code, `bundle ${path}: ${message}`, { cause: thrown });
  }
  return files;
}
