import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { LRUCache } from "lru-cache";

import { WeirError } from "../../engine/errors.ts";
import { type Bundle, openBundle } from "../../engine/policy/bundle.ts";
import { type BundleArchive, bundleFiles, readArchive } from "./archive.ts";

const OPEN_BUNDLES_MAX = 8;

/**
 * Every bundle that decided, whole and under its digest: reports and recovery price with the one of
 * their time, a restart finds the last one, signature included.
 */
export class BundleShelf {
  readonly #folder: string;
  readonly #opened = new LRUCache<string, Bundle>({ max: OPEN_BUNDLES_MAX });

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Keeps a bundle; the same one with another signature or manifest takes the place of the first. */
  keep(digest: string, files: BundleArchive): void {
    const folder = this.#folderOf(digest);
    if (existsSync(folder) && sameFiles(readArchive(folder), files)) return;
    const draft = `${folder}.${process.pid}`;
    rmSync(draft, { force: true, recursive: true });
    for (const [name, content] of files) {
      const path = join(draft, name);
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      writeFileSync(path, content);
    }
    // Written beside and renamed, so that a half-written bundle is never found under its digest.
    rmSync(folder, { force: true, recursive: true });
    renameSync(draft, folder);
  }

  /** The files kept under a digest, not checked; null if there are none. */
  files(digest: string): BundleArchive | null {
    if (!/^[0-9a-f]{64}$/.test(digest)) return null;
    const folder = this.#folderOf(digest);
    return existsSync(folder) ? readArchive(folder) : null;
  }

  /** The bundle kept under a digest; null if there is none. One that is not it is `bundle.invalid`. */
  open(digest: string): Bundle | null {
    const opened = this.#opened.get(digest);
    if (opened !== undefined) return opened;
    const files = this.files(digest);
    if (files === null) return null;
    const bundle = openBundle(bundleFiles(files));
    if (bundle.digest !== digest) {
      const message = `the bundle kept as ${digest} has digest ${bundle.digest}`;
      throw new WeirError("bundle.invalid", message);
    }
    this.#opened.set(digest, bundle);
    return bundle;
  }

  #folderOf(digest: string): string {
    return join(this.#folder, digest);
  }
}

function sameFiles(one: BundleArchive, other: BundleArchive): boolean {
  if (one.size !== other.size) return false;
  return [...one].every(([name, content]) => other.get(name)?.equals(content) === true);
}
