import { join } from "node:path";

import { type Bundle, openBundle } from "../../engine/policy/bundle.ts";
import type { BundleSource } from "../../engine/ports.ts";
import { type BundleArchive, bundleFiles, readArchive } from "./archive.ts";
import { BundleShelf } from "./shelf.ts";
import { readState } from "./state-file.ts";

/** Reads and opens a bundle, folder or archive; `bundle.invalid` names what is missing or wrong. */
export function loadBundle(path: string): Bundle {
  return openBundle(bundleFiles(readArchive(path)));
}

/** What decided last in a folder where bundles are kept, for readers of its log; null: nothing did. */
export function keptBundles(shelf: string): FolderBundles | null {
  const latest = readState(shelf)?.history[0];
  return latest === undefined ? null : new FolderBundles(join(shelf, latest.digest), shelf);
}

/** The bundle that decides, and, for reports and recovery, every bundle that decided before. */
export class FolderBundles implements BundleSource {
  readonly #current: Bundle;
  readonly #shelf: BundleShelf | null;

  /** `source` is a path, or files that were read; `shelf` the folder of all that decided, null for none. */
  constructor(source: string | BundleArchive, shelf: string | null) {
    const files = typeof source === "string" ? readArchive(source) : source;
    this.#current = openBundle(bundleFiles(files));
    this.#shelf = shelf === null ? null : new BundleShelf(shelf);
    this.#shelf?.keep(this.#current.digest, files);
  }

  current(): Bundle {
    return this.#current;
  }

  byDigest(digest: string): Bundle | null {
    if (digest === this.#current.digest) return this.#current;
    return this.#shelf?.open(digest) ?? null;
  }
}
