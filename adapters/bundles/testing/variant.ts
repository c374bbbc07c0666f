import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import type { BundleData } from "../../../engine/policy/bundle-data.ts";
import { SHIPPED_BUNDLE } from "../../../test/support/engine.ts";
import { type BundleArchive, readArchive } from "../archive.ts";

const SHIPPED = readArchive(SHIPPED_BUNDLE);
const sha256 = (content: string) => createHash("sha256").update(content).digest("hex");

/** The shipped bundle under another revision and with changed data, its manifest true to it. */
export function variant(
  revision: string,
  change: (config: BundleData) => Partial<BundleData> = () => ({}),
  base: BundleArchive = SHIPPED,
): BundleArchive {
  const document = JSON.parse(String(base.get("data.json"))) as { config: BundleData };
  const config = { ...document.config, ...change(document.config) };
  // Another revision is another bundle, whatever else is the same.
  const data = JSON.stringify({ config: { ...config, revision } });
  const manifest = JSON.parse(String(base.get(".manifest"))) as {
    metadata: { weir: object };
  };
  const weir = { ...manifest.metadata.weir, data_sha256: sha256(data) };
  const files = new Map(base);
  files.set("data.json", Buffer.from(data));
  files.set(
    ".manifest",
    Buffer.from(JSON.stringify({ ...manifest, metadata: { weir }, revision })),
  );
  return files;
}

/** Writes a bundle as a folder. */
export function writeFolder(folder: string, files: BundleArchive): string {
  mkdirSync(folder, { recursive: true });
  for (const [name, content] of files) writeFileSync(join(folder, name), content);
  return folder;
}
