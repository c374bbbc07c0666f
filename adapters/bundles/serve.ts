import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, readdirSync, statSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { WeirError } from "../../engine/errors.ts";
import { bundleFiles, pack, readArchive } from "./archive.ts";
import { BUNDLE_TYPE } from "./fetch.ts";

export interface BundleServer {
  readonly port: number;
  /** Names of the bundles that are served: "/NAME.tar.gz". */
  names(): readonly string[];
  close(): Promise<void>;
}

export interface ServeOptions {
  /** A bundle, or a folder of bundles. */
  readonly folder: string;
  readonly host: string;
  /** 0: the system chooses. */
  readonly port: number;
}

const LONGEST_WAIT_MS = 300_000;
const LOOK_MS = 200;

/**
 * Serves a folder's bundles as OPA's bundle servers do: ETag, and a wait for changes where
 * `Prefer: wait` asks for it. A folder that is a bundle is packed as it is at that moment; a name that
 * cannot be read is answered 500, never half.
 */
export async function serveBundles({ folder, host, port }: ServeOptions): Promise<BundleServer> {
  const shelf = new ServedFolder(folder);
  const closing = new AbortController();
  const server = createServer((request, response) => {
    void answer(shelf, request, response, closing.signal).catch((thrown: unknown) => {
      if (!response.headersSent) response.writeHead(500);
      response.end(`${WeirError.from(thrown).message}\n`);
    });
  });
  server.listen(port, host);
  try {
    await once(server, "listening");
  } catch (cause) {
    throw new WeirError("config.invalid", `${host}:${port} cannot be listened on`, { cause });
  }
  return {
    port: (server.address() as AddressInfo).port,
    names: () => shelf.names(),
    close: async () => {
      closing.abort();
      server.close();
      server.closeAllConnections();
      if (server.listening) await once(server, "close");
    },
  };
}

async function answer(
  shelf: ServedFolder,
  request: IncomingMessage,
  response: ServerResponse,
  closing: AbortSignal,
): Promise<void> {
  const { pathname } = new URL(request.url ?? "/", "http://bundles");
  const name = /^\/([^/]+)\.tar\.gz$/.exec(decodeURIComponent(pathname))?.[1] ?? "";
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.writeHead(405, { allow: "GET, HEAD" }).end();
    return;
  }
  const known = (request.headers["if-none-match"] ?? "").split(",").map((tag) => tag.trim());
  const waitS = Number(/(?:^|[;,\s])wait=(\d{1,6})/.exec(String(request.headers["prefer"]))?.[1]);
  const untilMs = performance.now() + Math.min((waitS || 0) * 1_000, LONGEST_WAIT_MS);
  for (;;) {
    const bundle = shelf.find(name);
    if (bundle === null) {
      const names = shelf.names().map((one) => `/${one}.tar.gz`);
      response.writeHead(404).end(`there is no ${pathname}; there are ${names.join(", ")}\n`);
      return;
    }
    const headers = { "content-type": BUNDLE_TYPE, etag: bundle.etag };
    if (!known.includes(bundle.etag)) {
      response.writeHead(200, { ...headers, "content-length": bundle.bytes.length });
      response.end(request.method === "HEAD" ? undefined : bundle.bytes);
      return;
    }
    if (performance.now() >= untilMs || closing.aborted || response.destroyed) {
      response.writeHead(304, headers).end();
      return;
    }
    await sleep(LOOK_MS, undefined, { signal: closing }).catch(() => undefined);
  }
}

interface Served {
  readonly bytes: Buffer;
  readonly etag: string;
}

class ServedFolder {
  readonly #folder: string;
  readonly #packed = new Map<string, Served & { readonly stamp: string }>();

  constructor(folder: string) {
    this.#folder = folder;
    if (this.names().length > 0) return;
    throw new WeirError("bundle.invalid", `${folder} holds no bundle, neither folder nor .tar.gz`);
  }

  names(): readonly string[] {
    return [...this.#paths().keys()];
  }

  find(name: string): Served | null {
    const path = this.#paths().get(name);
    if (path === undefined) return null;
    const stamp = stampOf(path);
    const packed = this.#packed.get(name);
    if (packed?.stamp === stamp) return packed;
    const files = readArchive(path);
    bundleFiles(files);
    const bytes = pack(files);
    const etag = `"${createHash("sha256").update(bytes).digest("hex")}"`;
    const served = { bytes, etag, stamp };
    this.#packed.set(name, served);
    return served;
  }

  /** Where each bundle is, by name. */
  #paths(): ReadonlyMap<string, string> {
    const folder = this.#folder;
    if (isBundle(folder)) return new Map([[basename(folder).replace(/\.tar\.gz$/, ""), folder]]);
    if (!existsSync(folder) || !statSync(folder).isDirectory()) return new Map();
    const found = readdirSync(folder)
      .toSorted()
      .map((name) => [name.replace(/\.tar\.gz$/, ""), join(folder, name)] as const)
      .filter(([, path]) => isBundle(path));
    return new Map(found);
  }
}

function isBundle(path: string): boolean {
  return path.endsWith(".tar.gz") ? existsSync(path) : existsSync(join(path, "policy.wasm"));
}

/** Changes whenever a file of a bundle is written. */
function stampOf(path: string): string {
  const status = statSync(path);
  const own = `${status.mtimeMs} ${status.size}`;
  if (!status.isDirectory()) return own;
  return [own, ...readdirSync(path).map((name) => stampOf(join(path, name)))].join("\n");
}
