import { resolve } from "node:path";

import { type BundleFiles, type Bundle, openBundle } from "../../../engine/policy/bundle.ts";
import { type BundleArchive, bundleFiles, readArchive } from "../../bundles/archive.ts";
import type { Terminal } from "../terminal.ts";

/** A bundle as it lies on disk, and opened. */
export interface ReadBundle {
  readonly archive: BundleArchive;
  readonly files: BundleFiles;
  readonly bundle: Bundle;
}

/** Reads and opens a bundle named on the command line; its signature is not looked at. */
export function readBundle(path: string, terminal: Terminal): ReadBundle {
  const archive = readArchive(resolve(terminal.cwd, path));
  const files = bundleFiles(archive);
  return { archive, bundle: openBundle(files), files };
}
