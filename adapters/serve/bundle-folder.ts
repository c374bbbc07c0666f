import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { WeirError } from "../../engine/errors.ts";
import { openBundle } from "../../engine/policy/bundle.ts";
import type { BundleSource } from "../../engine/ports.ts";

/** The bundle in a folder: `policy.wasm`, `data.json`, `.manifest`; `bundle.invalid` if it is not whole. */
export async function openBundleFolder(folder: string): Promise<BundleSource> {
  const [wasm, data, manifest] = await Promise.all([
    readBundleFile(folder, "policy.wasm"),
    readBundleFile(folder, "data.json"),
    readBundleFile(folder, ".manifest"),
  ]);
  const bundle = openBundle({ wasm, data: data.toString("utf8"), manifest: manifest.toString("utf8") });
  return {
    current: () => bundle,
    byDigest: (digest) => (digest === bundle.digest ? bundle : null),
  };
}

async function readBundleFile(folder: string, name: string): Promise<Buffer> {
  try {
    return await readFile(join(folder, name));
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === "ENOENT";
    const why = missing ? "there is no such file" : (cause as Error).message;
    throw new WeirError("bundle.invalid", `bundle ${folder}: ${name}: ${why}`, { cause });
  }
}
