import { type Bundle, openBundle } from "../../engine/policy/bundle.ts";
import type { BundleSource } from "../../engine/ports.ts";
import { type BundleArchive, bundleFiles, readArchive } from "./archive.ts";
import { BundleShelf } from "./shelf.ts";

/** Reads and opens a bundle, folder or archive; `bundle.invalid` names what is missing or wrong. */
export function loadBundle(path: string): Bundle {
  return openBundle(bundleFiles(readArchive(path)));
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
