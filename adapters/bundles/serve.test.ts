import { spawn } from "node:child_process";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { beforeAll, describe, expect, onTestFinished, test } from "vitest";

import { WeirError } from "../../engine/errors.ts";
import { LIMITS } from "../../engine/limits.ts";
import { provideOpa } from "../../test/support/opa.ts";
import { freePort } from "../../test/support/peer.ts";
import { pack, unpack } from "./archive.ts";
import { type BundleAnswer, fetchBundle } from "./fetch.ts";
import { readSigningKey } from "./keys.ts";
import { type SourceListener, startPolling } from "./poll.ts";
import { serveBundles } from "./serve.ts";
import { signArchive } from "./signature.ts";
import { scratchFolder, writeKeys } from "./testing/keys.ts";
import { variant, writeFolder } from "./testing/variant.ts";

const ask = (url: string, etag = "", waitMs = 0) => fetchBundle({ etag, token: "", url, waitMs });

async function served(folder: string): Promise<string> {
  const server = await serveBundles({ folder, host: "127.0.0.1", port: 0 });
  onTestFinished(() => server.close());
  return `http://127.0.0.1:${server.port}`;
}

/** Any server's answer to a bundle request. */
async function answering(
  status: number,
  body: Buffer | null,
  headers: Record<string, string> = {},
): Promise<string> {
  const server = createServer((request, response) => {
    if (body === null) request.socket.destroy();
    else response.writeHead(status, headers).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/b.tar.gz`;
}

const changed = (answer: BundleAnswer) =>
  answer.kind === "changed" ? answer : expect.unreachable("nothing changed");

describe("a served folder", () => {
  test("gives folders and archives by name, once for each ETag, and says what there is", async () => {
    const folder = scratchFolder();
    writeFolder(join(folder, "prod"), variant("r1"));
    writeFileSync(join(folder, "test.tar.gz"), pack(variant("r2")));
    const base = await served(folder);
    const first = changed(await ask(`${base}/prod.tar.gz`));
    expect([...(await unpack(first.bytes)).keys()].toSorted()).toEqual(
      [...variant("r1").keys()].toSorted(),
    );
    expect(await ask(`${base}/prod.tar.gz`, first.etag)).toEqual({
      kind: "unchanged",
      waited: false,
    });
    expect(changed(await ask(`${base}/test.tar.gz`)).etag).not.toBe(first.etag);
    await expect(ask(`${base}/none.tar.gz`)).rejects.toThrow("answers 404");
    expect(await (await fetch(`${base}/none.tar.gz`)).text()).toBe(
      "there is no /none.tar.gz; there are /prod.tar.gz, /test.tar.gz\n",
    );
    expect((await fetch(`${base}/prod.tar.gz`, { method: "POST" })).status).toBe(405);
    writeFileSync(join(folder, "prod/data.json"), "{}");
    rmSync(join(folder, "prod/.manifest"));
    await expect(ask(`${base}/prod.tar.gz`)).rejects.toThrow("answers 500");
    await expect(served(scratchFolder())).rejects.toThrow("holds no bundle");
  });

  test("answers who waits when it changes, and not before", async () => {
    const folder = writeFolder(scratchFolder(), variant("r1"));
    const [url] = [`${await served(folder)}/${folder.split("/").at(-1)}.tar.gz`];
    const { etag } = changed(await ask(url));
    let answered = false;
    const waiting = ask(url, etag, 60_000).finally(() => (answered = true));
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(answered).toBe(false);
    writeFolder(folder, variant("r2"));
    const next = changed(await waiting);
    expect(next.waited).toBe(true);
    expect(next.etag).not.toBe(etag);
  });
});

describe("fetching", () => {
  test.each([
    ["a server that breaks off", 200, null, "cannot be fetched: "],
    ["another answer", 503, Buffer.from("x"), "answers 503"],
    ["no permission", 401, Buffer.from("x"), "answers 401"],
  ])("%s is unavailable", async (_what, status, body, message) => {
    const error = (await ask(await answering(status, body)).catch((e: unknown) => e)) as WeirError;
    expect([error.code, error.message]).toEqual([
      "bundle.unavailable",
      expect.stringContaining(message),
    ]);
  });

  test("more than a bundle may have is refused while it comes", async () => {
    const url = await answering(200, Buffer.alloc(LIMITS.bundleBytes + 1));
    await expect(ask(url)).rejects.toMatchObject({ code: "bundle.invalid" });
    expect(changed(await ask(await answering(200, Buffer.alloc(LIMITS.bundleBytes)))).etag).toBe(
      "",
    );
  });

  test("a token is sent", async () => {
    let seen = "";
    const server = createServer((request, response) => {
      seen = request.headers.authorization ?? "";
      response.writeHead(304).end();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void server.close());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    await fetchBundle({ etag: "e", token: "secret", url, waitMs: 0 });
    expect(seen).toBe("Bearer secret");
  });
});

test("polling waits between questions, backs off with jitter, asks at once where the server waits", async () => {
  const script: (BundleAnswer | WeirError)[] = [
    { bytes: Buffer.from("one"), etag: "e1", kind: "changed", waited: false },
    { kind: "unchanged", waited: false },
    ...Array.from({ length: 12 }, () => new WeirError("bundle.unavailable", "away")),
    new WeirError("bundle.invalid", "bad"),
    { kind: "unchanged", waited: true },
    { kind: "unchanged", waited: false },
  ];
  const seen: string[] = [];
  const pauses: number[] = [];
  const listener: SourceListener = {
    etag: "e0",
    asked: () => {},
    failed: ({ message }) => void seen.push(message),
    offered: async (_bytes, etag) => void seen.push(etag),
    unchanged: () => void seen.push("unchanged"),
  };
  let done = (): void => {};
  const end = new Promise<void>((resolve) => (done = resolve));
  const ids = ["ffffffff", "00000000"].map((half) => half.padEnd(32, "0"));
  let drawn = 0;
  const polling = startPolling({
    ask: async ({ etag, waitMs }) => {
      expect([etag, waitMs]).toEqual(["e0", 5_000]);
      const next = script.shift();
      if (next === undefined) {
        done();
        return new Promise(() => {});
      }
      if (next instanceof WeirError) throw next;
      return next;
    },
    ids: { random128: () => ids[(drawn += 1) % 2] ?? "" },
    listener,
    longPollMs: 5_000,
    pause: async (ms) => void pauses.push(ms),
    pollMs: 10_000,
    token: "",
    url: "http://x/",
  });
  await end;
  void polling;
  expect(seen.slice(0, 3)).toEqual(["e1", "unchanged", "away"]);
  // From half to the whole of what is due: 10 s, then 0.1 s doubling up to 10 s; a refusal is an answer.
  expect(pauses).toEqual([
    5_000, 10_000, 50, 200, 200, 800, 800, 3_200, 3_200, 10_000, 5_000, 10_000, 5_000, 10_000,
    5_000, 10_000,
  ]);
});

describe("with OPA itself", () => {
  beforeAll(() => void provideOpa(), 900_000);

  test("OPA polls Weir's server, verifies the signature, loads the bundle and its next revision", async () => {
    const folder = scratchFolder();
    const keys = writeKeys(folder, "ES256");
    // OPA built from the module proxy has no WASM engine, so it is not told to use the module.
    const plain = (revision: string) => {
      const files = new Map(variant(revision));
      const manifest = JSON.parse(String(files.get(".manifest"))) as { wasm?: unknown };
      delete manifest.wasm;
      return files.set(".manifest", Buffer.from(JSON.stringify(manifest)));
    };
    const sign = (revision: string) =>
      signArchive(plain(revision), readSigningKey(keys.private), { keyId: "k1" });
    const source = writeFolder(join(folder, "bundles/prod"), await sign("r1"));
    const base = await served(join(folder, "bundles"));
    const port = await freePort();
    const config = {
      bundles: {
        prod: {
          polling: { long_polling_timeout_seconds: 60, max_delay_seconds: 1, min_delay_seconds: 1 },
          resource: "/prod.tar.gz",
          service: "weir",
          signing: { keyid: "k1" },
        },
      },
      keys: { k1: { algorithm: "ES256", key: keys.text } },
      services: { weir: { url: base } },
    };
    writeFileSync(join(folder, "opa.json"), JSON.stringify(config));
    const address = `127.0.0.1:${port}`;
    const flags = ["run", "--server", "--addr", address, "-c", join(folder, "opa.json")];
    const opa = spawn(provideOpa(), [...flags, "--log-level", "error"], { stdio: "ignore" });
    onTestFinished(() => void opa.kill("SIGKILL"));
    const revision = async (): Promise<unknown> => {
      try {
        const answer = await fetch(`http://${address}/v1/data/config/revision`);
        return ((await answer.json()) as { result?: unknown }).result;
      } catch {
        return undefined;
      }
    };
    await expect.poll(revision, { interval: 200, timeout: 60_000 }).toBe("r1");
    writeFolder(source, await sign("r2"));
    await expect.poll(revision, { interval: 200, timeout: 60_000 }).toBe("r2");
    // What is not as it was signed is not loaded by OPA either.
    writeFolder(source, plain("r3"));
    const tampered = await fetch(`${base}/prod.tar.gz`);
    expect(tampered.status).toBe(200);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(await revision()).toBe("r2");
  });
});
