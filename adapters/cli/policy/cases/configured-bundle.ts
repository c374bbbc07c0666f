import { createHash } from "node:crypto";

import { type Bundle, type BundleFiles, openBundle } from "../../../../engine/policy/bundle.ts";
import type { BundleData } from "../../../../engine/policy/bundle-data.ts";

/** A bundle with sections of its configuration replaced, and the digest that goes with it. */
export function withConfig(files: BundleFiles, config: Partial<BundleData> | undefined): Bundle {
  if (config === undefined) return openBundle(files);
  const document = JSON.parse(files.data) as { readonly config: BundleData };
  const data = JSON.stringify({ ...document, config: { ...document.config, ...config } });
  const manifest = JSON.parse(files.manifest) as {
    readonly metadata: { readonly weir: Readonly<Record<string, unknown>> };
  };
  const dataSha256 = createHash("sha256").update(data).digest("hex");
  const weir = { ...manifest.metadata.weir, data_sha256: dataSha256 };
  const metadata = { ...manifest.metadata, weir };
  return openBundle({ ...files, data, manifest: JSON.stringify({ ...manifest, metadata }) });
}

/** Opens a bundle's files under configurations; the same one is opened once. */
export function configuredBundles(
  files: BundleFiles,
): (config: Partial<BundleData> | undefined) => Bundle {
  const opened = new Map<string, Bundle>();
  return (config) => {
    const key = JSON.stringify(config ?? null);
    const bundle = opened.get(key) ?? withConfig(files, config);
    opened.set(key, bundle);
    return bundle;
  };
}
