import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { LRUCache } from "lru-cache";

import { WeirError } from "../../engine/errors.ts";
import { type Bundle, type BundleFiles, openBundle } from "../../engine/policy/bundle.ts";
import type { BundleSource } from "../../engine/ports.ts";

const FILES = { data: "data.json", manifest: ".manifest", wasm: "policy.wasm" } as const;
const OPEN_BUNDLES_MAX = 8;

/** Reads and opens the bundle in a folder; `bundle.invalid` names the file that is missing or wrong. */
export function loadBundle(folder: string): Bundle {
  return openBundle(readBundle(folder));
}

/**
 * The bundle that decides, and, for reports and recovery, every bundle that decided before: each is
 * kept under its digest in the data folder.
 */
export class FolderBundles implements BundleSource {
  readonly #current: Bundle;
  readonly #archive: string | null;
  readonly #opened = new LRUCache<string, Bundle>({ max: OPEN_BUNDLES_MAX });

  /** `archive` is where bundles are kept by digest; null keeps none. */
  constructor(folder: string, archive: string | null) {
    const files = readBundle(folder);
    this.#current = openBundle(files);
    this.#archive = archive;
    if (archive !== null) keepBundle(archive, this.#current.digest, files);
  }

  current(): Bundle {
    return this.#current;
  }

  byDigest(digest: string): Bundle | null {
    if (digest === this.#current.digest) return this.#current;
    const opened = this.#opened.get(digest);
    if (opened !== undefined) return opened;
    if (this.#archive === null || !/^[0-9a-f]{64}$/.test(digest)) return null;
    const folder = join(this.#archive, digest);
    if (!existsSync(folder)) return null;
    const bundle = loadBundle(folder);
    this.#opened.set(digest, bundle);
    return bundle;
  }
}

function readBundle(folder: string): BundleFiles {
  const read = (name: string): Buffer => {
    try {
      return readFileSync(join(folder, name));
    } catch (cause) {
      throw new WeirError("bundle.invalid", `bundle ${folder}: ${name} cannot be read`, { cause });
    }
  };
  return {
    data: read(FILES.data).toString("utf8"),
    manifest: read(FILES.manifest).toString("utf8"),
    wasm: read(FILES.wasm),
  };
}

/** Written beside and renamed, so that a half-written bundle is never found under its digest. */
function keepBundle(archive: string, digest: string, files: BundleFiles): void {
  const folder = join(archive, digest);
  if (existsSync(folder)) return;
  const draft = `${folder}.${process.pid}`;
  mkdirSync(draft, { recursive: true });
  writeFileSync(join(draft, FILES.data), files.data);
  writeFileSync(join(draft, FILES.manifest), files.manifest);
  writeFileSync(join(draft, FILES.wasm), files.wasm);
  try {
    renameSync(draft, folder);
  } catch (cause) {
    rmSync(draft, { force: true, recursive: true });
    if (!existsSync(folder)) throw cause;
  }
}
