import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { WeirError } from "../../engine/errors.ts";
import { openAuthenticator, type KeyAuthenticator } from "./authenticator.ts";
import { createKey, listKeys, revokeKey } from "./keys.ts";
import { isLoopback } from "./peer.ts";

const HERE = "127.0.0.1:4000";
const ELSEWHERE = "10.0.0.9:4000";
const CI = { principal: "ci", note: "the pipeline", now: 1_000 };

function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), "weir-keys-"));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

function opened(dir: string, onError?: (error: WeirError) => void): KeyAuthenticator {
  const options = { dir, loopbackPrincipal: "local" };
  const authenticator = openAuthenticator(onError ? { ...options, onError } : options);
  onTestFinished(() => authenticator.close());
  return authenticator;
}

function refusal(authenticator: KeyAuthenticator, key: string | null, peer: string): string {
  try {
    return `let in as ${authenticator.authenticate(key, peer).principal}`;
  } catch (error) {
    expect(error).toMatchObject({ name: "WeirError", code: "auth.unauthenticated" });
    return (error as WeirError).message;
  }
}

async function withinASecond(condition: () => boolean): Promise<void> {
  const giveUpAt = Date.now() + 1_000;
  while (!condition()) {
    expect(Date.now()).toBeLessThan(giveUpAt);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test("until a key exists, callers on this machine are local and others are refused", () => {
  const authenticator = opened(folder());
  for (const peer of [HERE, "::1:5432", "[::1]:80", "::ffff:127.0.0.1:9", "unix:"]) {
    expect(authenticator.authenticate(null, peer)).toEqual({ principal: "local" });
  }
  for (const peer of [ELSEWHERE, "::ffff:10.0.0.9:1", "unknown", ""]) {
    expect(refusal(authenticator, null, peer)).toMatch(/make one with `weir key create`/);
  }
});

test("once a key exists everyone needs one", async () => {
  const dir = folder();
  const { secret } = await createKey(dir, CI);
  const authenticator = opened(dir);
  expect(authenticator.authenticate(secret, ELSEWHERE)).toEqual({ principal: "ci" });
  expect(authenticator.authenticate(secret, HERE)).toEqual({ principal: "ci" });
  expect(refusal(authenticator, null, HERE)).toMatch(/no API key given/);
  expect(refusal(authenticator, "", HERE)).toMatch(/malformed/);
  expect(refusal(authenticator, "sk-something", HERE)).toMatch(/malformed/);
  const otherSecret = secret.slice(0, -1) + (secret.endsWith("0") ? "1" : "0");
  expect(refusal(authenticator, otherSecret, HERE)).toBe("the API key is not known");
  const otherId = secret.replace(/^weir_[0-9a-f]{12}/, "weir_000000000000");
  expect(refusal(authenticator, otherId, HERE)).toBe("the API key is not known");
});

test("the file holds no secret, is private, and is replaced as a whole", async () => {
  const dir = folder();
  const keys = await Promise.all([createKey(dir, CI), createKey(dir, CI), createKey(dir, CI)]);
  const path = join(dir, "keys.json");
  const text = readFileSync(path, "utf8");
  for (const { secret } of keys) expect(text).not.toContain(secret.split("_")[2]);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readdirSync(dir)).toEqual(["keys.json"]);
  const ids = listKeys(dir).map(({ id }) => id);
  expect(ids.toSorted()).toEqual(keys.map(({ id }) => id).toSorted());
  expect(listKeys(dir)[0]).toEqual({
    id: expect.stringMatching(/^[0-9a-f]{12}$/),
    principal: "ci",
    note: "the pipeline",
    createdAtMs: 1_000,
    revokedAtMs: null,
    createdBy: "",
    revokedBy: "",
    revokedWhy: "",
  });
  expect(keys[0]?.secret).toMatch(/^weir_[0-9a-f]{12}_[0-9a-f]{64}$/);
});

test("a running server sees new and revoked keys within a second", async () => {
  const dir = folder();
  const authenticator = opened(dir);
  expect(refusal(authenticator, null, HERE)).toBe("let in as local");
  const { id, secret } = await createKey(dir, CI);
  await withinASecond(() => refusal(authenticator, secret, ELSEWHERE) === "let in as ci");
  expect(refusal(authenticator, null, HERE)).toMatch(/no API key given/);
  await revokeKey(dir, id, 2_000);
  await withinASecond(
    () => refusal(authenticator, secret, HERE) === `the API key ${id} was revoked`,
  );
  await revokeKey(dir, id, 3_000);
  expect(listKeys(dir)).toMatchObject([{ id, revokedAtMs: 2_000 }]);
  const restarted = opened(dir);
  expect(refusal(restarted, null, HERE)).toMatch(/no API key given/);
});

test("deleting or breaking the file under a running server opens nothing", async () => {
  const dir = folder();
  const { secret } = await createKey(dir, CI);
  const errors: WeirError[] = [];
  const authenticator = opened(dir, (error) => errors.push(error));
  const path = join(dir, "keys.json");
  writeFileSync(path, "{");
  await withinASecond(() => errors.length === 1);
  expect(errors[0]).toMatchObject({
    code: "config.invalid",
    message: `key file ${path}: not JSON`,
  });
  expect(refusal(authenticator, secret, HERE)).toBe("let in as ci");
  rmSync(path);
  await withinASecond(() => refusal(authenticator, secret, HERE) === "the API key is not known");
  expect(refusal(authenticator, null, HERE)).toMatch(/no API key given/);
});

const SOUND = {
  id: "0".repeat(12),
  principal: "p",
  note: "",
  sha256: "0".repeat(64),
  createdAtMs: 1,
  revokedAtMs: null,
};

test.each([
  ["no JSON", "nonsense", /not JSON/],
  ["an empty file", "", /not JSON/],
  ["a list", "[]", /version is not 1/],
  ["another version", '{"version":2,"keys":[]}', /version is not 1/],
  ["no keys", '{"version":1}', /keys is not a list/],
  ["a wrong entry", '{"version":1,"keys":[{"id":"x"}]}', /keys\[0\] is not a stored key/],
  ["null", '{"version":1,"keys":[null]}', /keys\[0\] is not a stored key/],
  ["an id twice", JSON.stringify({ version: 1, keys: [SOUND, SOUND] }), /repeats the id/],
])("a key file with %s is refused by name", async (_name, text, message) => {
  const dir = folder();
  const path = join(dir, "keys.json");
  writeFileSync(path, text);
  for (const use of [() => opened(dir), () => listKeys(dir)]) {
    expect(use).toThrow(message);
    expect(use).toThrow(path);
    expect(use).toThrow(WeirError);
  }
  await expect(createKey(dir, CI)).rejects.toMatchObject({ code: "config.invalid" });
  expect(readFileSync(path, "utf8")).toBe(text);
});

test("wrong arguments are refused", async () => {
  const dir = folder();
  for (const change of [{ principal: "" }, { principal: "a\nb" }, { note: "x".repeat(129) }]) {
    await expect(createKey(dir, { ...CI, ...change })).rejects.toMatchObject({
      code: "config.invalid",
    });
  }
  await expect(revokeKey(dir, "nothing", 1)).rejects.toThrow('no key has the id "nothing"');
});

test.each([
  ["127.0.0.1", true],
  ["127.8.8.8:1", true],
  ["::1", true],
  ["[::ffff:127.0.0.1]:3", true],
  ["localhost:80", false],
  ["127.0.0.1.example.com:80", false],
  ["fe80::1:80", false],
  ["[::1]x:80", false],
])("peer %s is on this machine: %s", (peer, local) => {
  expect(isLoopback(peer)).toBe(local);
});
