import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { CompactSign } from "jose";
import { beforeAll, describe, expect, test } from "vitest";

import { SHIPPED_BUNDLE } from "../../test/support/engine.ts";
import { provideOpa, runOpa } from "../../test/support/opa.ts";
import { type BundleArchive, pack, readArchive, SIGNATURES } from "./archive.ts";
import { ALGORITHMS, readSigningKey, readVerificationKeys } from "./keys.ts";
import { signArchive, verifyArchive } from "./signature.ts";
import { scratchFolder, writeKeys } from "./testing/keys.ts";
import { readTrusted } from "./trusted.ts";

// Goal: OPA believes what Weir signs and Weir what OPA signs, and neither believes anything else.

const OPA_BUILD_MS = 900_000;
const SHIPPED = readArchive(SHIPPED_BUNDLE);

describe("with OPA itself", () => {
  beforeAll(() => void provideOpa(), OPA_BUILD_MS);

  /** What "opa build" says of a signed bundle: it verifies before it builds. */
  const askOpa = (archive: string, key: string, algorithm: string, ...more: string[]) =>
    runOpa(
      ["build", "-b", archive, "-o", `${archive}.out`, "--verification-key", key].concat(
        ["--signing-alg", algorithm],
        more,
      ),
    );

  test.each(ALGORITHMS)("%s both ways", async (algorithm) => {
    const folder = scratchFolder();
    const keys = writeKeys(folder, algorithm);
    const other = writeKeys(folder, algorithm, "other");
    const archive = join(folder, "ours.tar.gz");
    const signed = await signArchive(SHIPPED, readSigningKey(keys.private, algorithm));
    writeFileSync(archive, pack(signed));
    expect(askOpa(archive, keys.public, algorithm)).toEqual({ exit: 0, said: "" });
    expect(askOpa(archive, other.public, algorithm).said).toContain("failed to verify");

    const theirs = join(folder, "theirs");
    cpSync(SHIPPED_BUNDLE, theirs, { recursive: true });
    const key = ["--signing-key", keys.private, "--signing-alg", algorithm];
    expect(runOpa(["sign", "--bundle", ".", ...key], theirs)).toEqual({ exit: 0, said: "" });
    const files = readArchive(theirs);
    const believed = readVerificationKeys(keys.public, algorithm);
    expect(await verifyArchive(files, believed)).toEqual({ algorithm, keyId: "" });
    await expect(
      verifyArchive(files, readVerificationKeys(other.public, algorithm)),
    ).rejects.toThrow("the signature does not match (a key without an id)");
  });

  test("data of every kind has the digest that OPA gives it", async () => {
    const folder = scratchFolder();
    const keys = writeKeys(folder, "EdDSA");
    const data = String.raw`{"z": 1.0, "a": [1e3, -0, 12345678901234567890123, 0.1E-7, true, null],
      "text": "\u2028 \u0007 \b\f\n\t\" \\ / <&> é 😀 \ud800 ", "\uffee": 1, "😀": {"b": {}, "a": []}}`;
    const bundle = join(folder, "bundle");
    mkdirSync(bundle);
    for (const [name, content] of SHIPPED) writeFileSync(join(bundle, name), content);
    writeFileSync(join(bundle, "data.json"), data);
    writeFileSync(join(bundle, ".manifest"), '{"revision": "x", "roots": ["z", "a", "text"]}');
    const key = ["--signing-key", keys.private, "--signing-alg", "EdDSA"];
    expect(runOpa(["sign", "--bundle", ".", ...key], bundle)).toEqual({ exit: 0, said: "" });
    await verifyArchive(readArchive(bundle), readVerificationKeys(keys.public));
  });

  test("scopes and ids of keys mean the same", async () => {
    const folder = scratchFolder();
    const keys = writeKeys(folder, "ES256");
    const key = readSigningKey(keys.private);
    const archive = join(folder, "ours.tar.gz");
    writeFileSync(archive, pack(await signArchive(SHIPPED, key, { keyId: "k1", scope: "write" })));
    const id = ["--verification-key-id", "k1"];
    expect(askOpa(archive, keys.public, "ES256", ...id, "--scope", "write").exit).toBe(0);
    expect(askOpa(archive, keys.public, "ES256", ...id, "--scope", "read").said).toContain("scope");
    const table = join(folder, "keys.json");
    const entry = { algorithm: "ES256", key: keys.text };
    writeFileSync(table, JSON.stringify({ keys: { k1: { ...entry, scope: "write" } } }));
    await readTrusted(archive, table);
    writeFileSync(table, JSON.stringify({ k1: { ...entry, scope: "read" } }));
    await expect(readTrusted(archive, table)).rejects.toThrow(
      'its scope is "write", the key is for "read"',
    );
  });
});

describe("a bundle is refused", () => {
  const folderWithKeys = () => {
    const folder = scratchFolder();
    const [a, b] = [writeKeys(folder, "RS256", "a"), writeKeys(folder, "ES256", "b")];
    const table = join(folder, "keys.json");
    const entries = { A: { algorithm: "RS256", key: a.text }, B: { key: b.text } };
    writeFileSync(table, JSON.stringify(entries));
    return { a, b, folder, keys: readVerificationKeys(table) };
  };
  const signedBy = (path: string, keyId?: string) =>
    signArchive(SHIPPED, readSigningKey(path), keyId === undefined ? {} : { keyId });
  const withFile = (files: BundleArchive, name: string, content: string | null): BundleArchive => {
    const changed = new Map(files);
    if (content === null) changed.delete(name);
    else changed.set(name, Buffer.from(content));
    return changed;
  };

  test("without a signature, and with one of an unknown key, while two are allowed", async () => {
    const { a, b, keys } = folderWithKeys();
    await expect(verifyArchive(SHIPPED, keys)).rejects.toThrow("it holds no .signatures.json");
    await expect(verifyArchive(await signedBy(a.private, "C"), keys)).rejects.toThrow(
      'it is signed with key "C"; allowed are A, B',
    );
    await expect(verifyArchive(await signedBy(a.private), keys)).rejects.toThrow(
      "it is signed with a key without an id; allowed are A, B",
    );
    expect(await verifyArchive(await signedBy(b.private, "B"), keys)).toEqual({
      algorithm: "ES256",
      keyId: "B",
    });
  });

  test("signed by one key in the name of another", async () => {
    const { b, folder, keys } = folderWithKeys();
    const stranger = writeKeys(folder, "RS256", "stranger");
    await expect(verifyArchive(await signedBy(stranger.private, "A"), keys)).rejects.toThrow(
      'the signature does not match (key "A")',
    );
    await expect(verifyArchive(await signedBy(b.private, "A"), keys)).rejects.toThrow(
      'it is signed with "ES256", the key is for RS256',
    );
  });

  test("signed with a public key as if it were a secret, or with nothing", async () => {
    const { a, keys } = folderWithKeys();
    const secret = await signArchive(
      SHIPPED,
      { algorithm: "HS256", key: Buffer.from(a.text) },
      { keyId: "A" },
    );
    await expect(verifyArchive(secret, keys)).rejects.toThrow("the key is for RS256");
    const [, payload] = JSON.parse(String(secret.get(SIGNATURES))).signatures[0].split(".");
    const header = Buffer.from('{"alg":"none","kid":"A"}').toString("base64url");
    const none = JSON.stringify({ signatures: [`${header}.${payload}.`] });
    await expect(verifyArchive(withFile(SHIPPED, SIGNATURES, none), keys)).rejects.toThrow(
      'it is signed with "none"',
    );
  });

  test.each([
    ["a byte of a rule changed", "policy.wasm", "x", "policy.wasm was changed after it was signed"],
    ["a number changed", "data.json", '{"config":1}', "data.json was changed after it was signed"],
    [
      "a file more",
      "extra.rego",
      "package x",
      "extra.rego is not among the files that were signed",
    ],
    ["a file less", ".manifest", null, ".manifest was signed and is missing"],
    ["a signature that is no JSON", SIGNATURES, "{", ".signatures.json is not JSON"],
    ["no signature in it", SIGNATURES, "{}", "holds 0 signatures instead of one"],
    ["two in it", SIGNATURES, '{"signatures":["a","b"]}', "holds 2 signatures instead of one"],
    ["no JWT in it", SIGNATURES, '{"signatures":["a.b"]}', "its signature is no JWT"],
    ["a plugin's", SIGNATURES, '{"signatures":["a"],"plugin":"p"}', 'signed by a plugin, "p"'],
  ])("with %s", async (_what, name, content, message) => {
    const { a, keys } = folderWithKeys();
    const files = withFile(await signedBy(a.private, "A"), name, content);
    await expect(verifyArchive(files, keys)).rejects.toThrow(message);
  });

  test("with a digest that proves nothing, or another payload", async () => {
    const { a, keys } = folderWithKeys();
    const sign = async (payload: unknown) => {
      const token = await new CompactSign(Buffer.from(JSON.stringify(payload)))
        .setProtectedHeader({ alg: "RS256", kid: "A" })
        .sign(readSigningKey(a.private).key);
      return withFile(SHIPPED, SIGNATURES, JSON.stringify({ signatures: [token] }));
    };
    const files = [...SHIPPED.keys()].map((name) => ({ algorithm: "MD5", hash: "00", name }));
    await expect(verifyArchive(await sign({ files }), keys)).rejects.toThrow(
      'is signed with "MD5"',
    );
    await expect(verifyArchive(await sign({ files: [{}] }), keys)).rejects.toThrow("OPA's form");
  });

  test("from disk, with its path; whitespace of data is not signed", async () => {
    const { a, folder } = folderWithKeys();
    const path = join(folder, "bundle");
    mkdirSync(path);
    for (const [name, content] of await signedBy(a.private))
      writeFileSync(join(path, name), content);
    const data = join(path, "data.json");
    writeFileSync(data, JSON.stringify(JSON.parse(readFileSync(data, "utf8")), null, 3));
    await readTrusted(path, a.public);
    writeFileSync(data, readFileSync(data, "utf8").replace("acme", "acne"));
    await expect(readTrusted(path, a.public)).rejects.toThrow(
      `bundle ${path}: the bundle has no valid signature: data.json was changed`,
    );
    await readTrusted(path, null);
  });
});

describe("a file of keys is refused", () => {
  const refusing = (text: string, algorithm?: string) => () => {
    const path = join(scratchFolder(), "keys");
    writeFileSync(path, text);
    return readVerificationKeys(path, algorithm);
  };

  test.each([
    ["", "is no public key or certificate in PEM; a shared secret needs an HS algorithm"],
    ["{", "is neither PEM nor JSON"],
    ["{}", "holds no keys"],
    ['{"k": {"key": 1}}', "k: key and scope have to be text"],
    ['{"k": {"key": "x", "alg": "y"}}', "k: alg is not known; known are key, algorithm, scope"],
    ['{"k": {"key": "x", "algorithm": "none"}}', 'algorithm "none" is not accepted'],
    ['{"k": {"key": "x", "algorithm": "RS256"}}', "k: is no public key"],
  ])("%j", (text, message) => expect(refusing(text)).toThrow(message));

  test("if the key cannot do what is asked", () => {
    const { text } = writeKeys(scratchFolder(), "ES384");
    expect(refusing(text, "RS256")).toThrow("type ec, which does ES384, not RS256");
    expect(() => readVerificationKeys("/nowhere")).toThrow("key file /nowhere: cannot be read");
  });
});
