import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { promisify } from "node:util";
import { gunzip, gunzipSync, gzipSync } from "node:zlib";

import { WeirError } from "../../engine/errors.ts";
import { LIMITS } from "../../engine/limits.ts";
import type { BundleFiles } from "../../engine/policy/bundle.ts";
import { readTar, type TarEntry, writeTar } from "./tar.ts";

/** The files of an OPA bundle by name, as in its signature: "data.json", "policies/x.rego". */
export type BundleArchive = ReadonlyMap<string, Buffer>;

export const SIGNATURES = ".signatures.json";

/**
 * Reads a bundle as OPA lays it out: a folder, or a gzipped tar archive. What cannot be read, is
 * damaged or over a limit is `bundle.invalid`, with the path.
 */
export function readArchive(path: string): BundleArchive {
  try {
    return statSync(path).isDirectory() ? readFolder(path) : unpackSync(readArchiveFile(path));
  } catch (cause) {
    if (cause instanceof WeirError)
      throw new WeirError(cause.code, `bundle ${path}: ${cause.message}`);
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new WeirError("bundle.invalid", `bundle ${path} cannot be read: ${why}`, { cause });
  }
}

/** Unpacks an archive as it came over the wire; the event loop goes on meanwhile. */
export async function unpack(bytes: Uint8Array): Promise<BundleArchive> {
  const options = { maxOutputLength: LIMITS.bundleUnpackedBytes };
  const tar = await promisify(gunzip)(bytes, options).catch(notGzip);
  return collect(readTar(tar));
}

/** Packs files into an archive as `unpack` takes it; the same files give the same bytes. */
export function pack(files: BundleArchive): Buffer {
  const entries = [...files].map(([name, content]) => ({ content, name: `/${name}` }));
  return gzipSync(writeTar(entries.toSorted((one, other) => (one.name < other.name ? -1 : 1))));
}

/** The three files that Weir decides with; a missing one is `bundle.invalid`. */
export function bundleFiles(files: BundleArchive): BundleFiles {
  const file = (name: string): Buffer => {
    const content = files.get(name);
    if (content !== undefined) return content;
    const others = [...files.keys()].join(", ") || "nothing";
    throw new WeirError("bundle.invalid", `the bundle holds no ${name}, only ${others}`);
  };
  const stray = [...files.keys()].find((name) => /(^|\/)data\.ya?ml$|\/data\.json$/.test(name));
  if (stray !== undefined) {
    const message = `the bundle holds ${stray}; all data has to be in one data.json, as "opa build" writes it`;
    throw new WeirError("bundle.invalid", message);
  }
  return {
    data: file("data.json").toString("utf8"),
    manifest: file(".manifest").toString("utf8"),
    wasm: file("policy.wasm"),
  };
}

function readArchiveFile(path: string): Buffer {
  const { size } = statSync(path);
  if (size > LIMITS.bundleBytes) throw tooLarge(`${size} bytes`, `${LIMITS.bundleBytes} bytes`);
  return readFileSync(path);
}

function unpackSync(bytes: Buffer): BundleArchive {
  let tar: Buffer;
  try {
    tar = gunzipSync(bytes, { maxOutputLength: LIMITS.bundleUnpackedBytes });
  } catch (cause) {
    return notGzip(cause);
  }
  return collect(readTar(tar));
}

function notGzip(cause: unknown): never {
  if ((cause as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") {
    throw tooLarge("what it unpacks to", `${LIMITS.bundleUnpackedBytes} bytes`);
  }
  throw new WeirError("bundle.invalid", "the archive is not gzip, or is cut short", { cause });
}

function readFolder(folder: string): BundleArchive {
  return collect(filesBelow(folder, folder));
}

/** Names that start with ".." are the versions behind a mounted Kubernetes volume's links. */
function* filesBelow(root: string, folder: string): Generator<TarEntry> {
  for (const name of readdirSync(folder).toSorted()) {
    if (name.startsWith("..")) continue;
    const path = join(folder, name);
    const status = statSync(path);
    if (status.isDirectory()) yield* filesBelow(root, path);
    else if (status.isFile()) {
      if (status.size > LIMITS.bundleUnpackedBytes) {
        throw tooLarge(`${name}, ${status.size} bytes`, `${LIMITS.bundleUnpackedBytes} bytes`);
      }
      yield { content: readFileSync(path), name: relative(root, path).split(sep).join("/") };
    }
  }
}

function collect(entries: Iterable<TarEntry>): BundleArchive {
  const files = new Map<string, Buffer>();
  let bytes = 0;
  for (const { content, name } of entries) {
    const plain = plainName(name);
    if (files.has(plain)) throw new WeirError("bundle.invalid", `${plain} is there twice`);
    files.set(plain, content);
    bytes += content.length;
    if (files.size > LIMITS.bundleFiles) throw tooLarge("it", `${LIMITS.bundleFiles} files`);
    if (bytes > LIMITS.bundleUnpackedBytes)
      throw tooLarge("it", `${LIMITS.bundleUnpackedBytes} bytes`);
  }
  return files;
}

/** A name that leaves the bundle's folder, or is written in two ways, could hide a file. */
function plainName(name: string): string {
  const plain = name.replace(/^(\.?\/)+/, "");
  const wrong = plain.split("/").some((part) => part === "" || part === "." || part === "..");
  if (!wrong && !/[\\\0]/.test(plain)) return plain;
  throw new WeirError("bundle.invalid", `${JSON.stringify(name)} is no name of a file in a bundle`);
}

function tooLarge(what: string, most: string): WeirError {
  return new WeirError("bundle.invalid", `${what} is too large; at most ${most} are accepted`);
}
