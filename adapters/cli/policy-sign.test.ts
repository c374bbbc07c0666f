import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, expect, test } from "vitest";

import { SHIPPED_BUNDLE } from "../../test/support/engine.ts";
import { pack, readArchive } from "../bundles/archive.ts";
import { writeKeys } from "../bundles/testing/keys.ts";
import { fakeTerminal } from "./fake-terminal.ts";
import { runWeir } from "./main.ts";

const ALLOW = join(import.meta.dirname, "../../examples/allow.json");

let cwd: string;
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), "weir-sign-"));
  cpSync(SHIPPED_BUNDLE, join(cwd, "policy"), { recursive: true });
});
afterEach(() => rmSync(cwd, { recursive: true }));

const weir = async (...argv: string[]) => {
  const terminal = fakeTerminal(cwd);
  const exit = await runWeir(argv, terminal);
  return { exit, noted: terminal.noted.join("\n"), printed: terminal.printed.join("\n") };
};

test("a folder and an archive are signed in place, and are verified", async () => {
  const keys = writeKeys(cwd, "ES256");
  writeFileSync(join(cwd, "bundle.tar.gz"), pack(readArchive(SHIPPED_BUNDLE)));
  for (const bundle of ["policy", "bundle.tar.gz"]) {
    const sign = ["policy", "sign", bundle, "--key", "key.pem", "--key-id", "k1"];
    expect(await weir(...sign)).toEqual({
      exit: 0,
      noted: "",
      printed: `signed 3 files of ${bundle} with ES256, key k1`,
    });
    // Signing again signs the same files, not the signature.
    await weir(...sign);
    expect(await weir("policy", "verify", bundle, "--key", "key.pub")).toEqual({
      exit: 0,
      noted: "",
      printed: `${bundle} is as it was signed: 3 files, ES256, key k1`,
    });
  }
  writeFileSync(join(cwd, "keys.json"), JSON.stringify({ k1: { key: keys.text } }));
  const json = await weir("policy", "verify", "policy", "--key", "keys.json", "--json");
  expect(JSON.parse(json.printed)).toEqual({
    algorithm: "ES256",
    bundle: "policy",
    files: 3,
    key_id: "k1",
  });
});

test("what is not as it was signed is refused, when verified and when it is to decide", async () => {
  writeKeys(cwd, "EdDSA");
  const decide = () =>
    weir("decide", ALLOW, "--embedded", "--bundle", "policy", "--bundle-keys", "key.pub");
  expect(await decide()).toMatchObject({
    exit: 1,
    noted: expect.stringContaining("the bundle has no valid signature: it holds no") as string,
  });
  await weir("policy", "sign", "policy", "--key", "key.pem");
  expect((await decide()).exit).toBe(0);
  const data = join(cwd, "policy/data.json");
  writeFileSync(data, readFileSync(data, "utf8").replace("acme", "acne"));
  const changed = await weir("policy", "verify", "policy", "--key", "key.pub");
  expect(changed).toMatchObject({
    exit: 1,
    noted: expect.stringContaining("data.json was changed after it was signed") as string,
  });
  expect((await decide()).exit).toBe(1);
});

test("what can sign nothing is refused, and nothing is written", async () => {
  writeFileSync(join(cwd, "secret"), "not a key");
  expect((await weir("policy", "sign", "policy", "--key", "secret")).noted).toContain(
    "is no private key in PEM; a shared secret needs an HS algorithm",
  );
  writeKeys(cwd, "RS256");
  rmSync(join(cwd, "policy/policy.wasm"));
  expect((await weir("policy", "sign", "policy", "--key", "key.pem")).noted).toContain(
    "the bundle holds no policy.wasm",
  );
  expect(readArchive(join(cwd, "policy")).has(".signatures.json")).toBe(false);
});
