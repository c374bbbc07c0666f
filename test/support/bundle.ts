import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import type { BundleFiles } from "../../engine/policy/bundle.ts";
import { SHIPPED_BUNDLE } from "./engine.ts";

type Config = Record<string, Record<string, unknown>>;

/** The files of the shipped bundle with other data, its manifest telling the truth about them. */
export function changedFiles(change: (config: Config) => void): BundleFiles {
  const read = (name: string): Buffer => readFileSync(join(SHIPPED_BUNDLE, name));
  const document = JSON.parse(read("data.json").toString()) as { config: Config };
  change(document.config);
  const data = JSON.stringify(document);
  const manifest = JSON.parse(read(".manifest").toString()) as {
    metadata: { weir: { data_sha256: string } };
  };
  manifest.metadata.weir.data_sha256 = createHash("sha256").update(data).digest("hex");
  return { data, manifest: JSON.stringify(manifest), wasm: read("policy.wasm") };
}
