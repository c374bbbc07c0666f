import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";

import { describe, expect, test } from "vitest";

import { openBundle } from "../../engine/policy/bundle.ts";
import { SHIPPED_BUNDLE } from "../../test/support/engine.ts";
import { bundleFiles, pack, readArchive, unpack } from "./archive.ts";
import { BundleShelf } from "./shelf.ts";
import { scratchFolder } from "./testing/keys.ts";
import { writeTar } from "./tar.ts";

const SHIPPED = readArchive(SHIPPED_BUNDLE);
const LONG = `${"deep/".repeat(30)}x.rego`;

/** A folder with these files. */
function folderOf(files: Readonly<Record<string, string>>): string {
  const folder = scratchFolder();
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  return folder;
}

const packed = (entries: Readonly<Record<string, string>>): Buffer =>
  gzipSync(
    writeTar(
      Object.entries(entries).map(([name, content]) => ({ content: Buffer.from(content), name })),
    ),
  );

describe("an archive", () => {
  test.each(["ustar", "pax", "gnu"])("of tar's %s format is read as the folder is", (format) => {
    const files = { "data.json": "{}", "empty.rego": "", "policies/a.rego": "package a" };
    const folder = folderOf(format === "ustar" ? files : { ...files, [LONG]: "package x" });
    const path = join(scratchFolder(), "bundle.tar.gz");
    execFileSync("tar", [`--format=${format}`, "-C", folder, "-czf", path, "."]);
    const read = readArchive(path);
    expect(read).toEqual(readArchive(folder));
    expect(read.has(LONG)).toBe(format !== "ustar");
  });

  test("that Weir packs is read by tar, is the same for the same files, and decides", async () => {
    const folder = scratchFolder();
    const path = join(folder, "bundle.tar.gz");
    const bytes = pack(SHIPPED);
    writeFileSync(path, bytes);
    const names = execFileSync("tar", ["-tzf", path, "-P"], { encoding: "utf8" });
    expect(names.split("\n").filter(Boolean)).toEqual(["/.manifest", "/data.json", "/policy.wasm"]);
    expect(pack(await unpack(bytes)).equals(bytes)).toBe(true);
    expect(openBundle(bundleFiles(readArchive(path))).digest).toBe(
      openBundle(bundleFiles(SHIPPED)).digest,
    );
  });

  test.each([
    ["a name that leaves it", packed({ "../x": "" }), '"../x" is no name of a file in a bundle'],
    ["a name of two readings", packed({ "a//b": "" }), '"a//b" is no name'],
    ["a file twice", packed({ "/a": "", "./a": "" }), "a is there twice"],
    ["no gzip", Buffer.from("{}"), "the archive is not gzip, or is cut short"],
    ["no end", gzipSync(writeTar([])).subarray(0, 20), "not gzip, or is cut short"],
    ["half a file", gzipSync(writeTar(big()).subarray(0, 1_024)), "2000 bytes are announced"],
    ["a damaged header", gzipSync(flipped(writeTar(big()))), "byte 0: the checksum is wrong"],
  ])("with %s is refused", async (_what, bytes, message) => {
    await expect(unpack(bytes)).rejects.toThrow(message);
  });

  test("with a link is refused: it may lead out of it", () => {
    const folder = folderOf({ "data.json": "{}" });
    symlinkSync("/etc/passwd", join(folder, "x.rego"));
    const path = join(scratchFolder(), "bundle.tar.gz");
    execFileSync("tar", ["-C", folder, "-czf", path, "."]);
    expect(() => readArchive(path)).toThrow(`bundle ${path}: the archive is damaged at byte`);
  });

  test("without one of the three files, or with data in several, is refused by name", () => {
    expect(() => bundleFiles(new Map([["data.json", Buffer.from("{}")]]))).toThrow(
      "the bundle holds no .manifest, only data.json",
    );
    const several = new Map([...SHIPPED, ["org/data.json", Buffer.from("{}")]]);
    expect(() => bundleFiles(several)).toThrow("all data has to be in one data.json");
    expect(() => readArchive("/nowhere")).toThrow("bundle /nowhere cannot be read: ENOENT");
  });
});

test("a folder mounted by Kubernetes is read once, through its links", () => {
  const folder = folderOf({ "..2026/data.json": "{}" });
  symlinkSync("..2026", join(folder, "..data"));
  symlinkSync("..data/data.json", join(folder, "data.json"));
  expect([...readArchive(folder).keys()]).toEqual(["data.json"]);
});

test("the shelf keeps bundles whole, replaces a signature, refuses one that is not what it says", () => {
  const folder = scratchFolder();
  const shelf = new BundleShelf(folder);
  const { digest } = openBundle(bundleFiles(SHIPPED));
  shelf.keep(digest, SHIPPED);
  shelf.keep(digest, new Map([...SHIPPED, [".signatures.json", Buffer.from("{}")]]));
  expect(readdirSync(folder)).toEqual([digest]);
  expect([...(shelf.files(digest)?.keys() ?? [])].toSorted()).toEqual(
    [".manifest", ".signatures.json", "data.json", "policy.wasm"].toSorted(),
  );
  expect(shelf.open(digest)?.digest).toBe(digest);
  expect(shelf.open("0".repeat(64))).toBeNull();
  expect(shelf.files("../..")).toBeNull();
  shelf.keep("1".repeat(64), SHIPPED);
  expect(() => shelf.open("1".repeat(64))).toThrow(`has digest ${digest}`);
  expect(readFileSync(join(folder, digest, "data.json"), "utf8")).toBe(
    readFileSync(join(SHIPPED_BUNDLE, "data.json"), "utf8"),
  );
});

function big() {
  return [{ content: Buffer.alloc(2_000, 1), name: "data.json" }];
}

function flipped(tar: Buffer): Buffer {
  tar[3] = 0x20;
  return tar;
}
