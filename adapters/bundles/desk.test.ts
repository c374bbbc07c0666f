import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { expect, test } from "vitest";

import { WeirError } from "../../engine/errors.ts";
import type { BundleRecord, LogLine } from "../../engine/record/record.ts";
import { START_MS } from "../../test/support/engine.ts";
import type { ActiveBundles } from "./active-bundles.ts";
import { type BundleArchive, pack } from "./archive.ts";
import { BundleDesk } from "./desk.ts";
import { readSigningKey, readVerificationKeys } from "./keys.ts";
import { signArchive } from "./signature.ts";
import { openActiveBundles } from "./start.ts";
import { quarantine } from "./state-file.ts";
import { scratchFolder, writeKeys } from "./testing/keys.ts";
import { variant, writeFolder } from "./testing/variant.ts";

// Goal: what decides is the last bundle that was good, whatever a source offers, an operator asks for
// or a restart finds.

const DOWN = "http://127.0.0.1:1/prod.tar.gz";

interface Opened {
  readonly bundles: ActiveBundles;
  readonly desk: BundleDesk;
  readonly notes: WeirError[];
  readonly lines: BundleRecord[];
  readonly revision: () => string;
  readonly offer: (files: BundleArchive, etag?: string) => Promise<string>;
}

/** Opens a folder of bundles as a service's start does; a wrong one rejects. */
async function open(
  folder: string,
  configured: string,
  keys: string | null = null,
): Promise<Opened> {
  const notes: WeirError[] = [];
  const lines: LogLine[] = [];
  const onNote = (note: WeirError) => void notes.push(note);
  const options = {
    configured,
    folder,
    keys,
    nowMs: START_MS,
    shipped: false,
    starter: "me",
    token: "",
  };
  const bundles = await openActiveBundles({ ...options, onNote });
  const desk = new BundleDesk({
    bundles,
    canary: () => null,
    clock: { elapsedUs: () => 0, nowMs: () => START_MS },
    keys: keys === null ? null : readVerificationKeys(keys),
    log: { append: async (line) => void lines.push(line) },
    onChange: () => {},
    onNote,
    recentInputs: () => [],
    samples: 10,
    token: "",
    unfit: ({ revision }) => (revision === "unfit" ? "it masks what this state shares" : null),
  });
  const offer = async (files: BundleArchive, etag = "") => {
    try {
      await desk.offered(pack(files), etag);
      return "";
    } catch (thrown) {
      return (thrown as WeirError).message;
    }
  };
  const revision = () => bundles.current().revision;
  return { bundles, desk, lines: lines as BundleRecord[], notes, offer, revision };
}

const startOn = (folder: string, files: BundleArchive) =>
  open(join(folder, "bundles"), writeFolder(join(folder, "source"), files));

test("a bundle that is offered decides from the next decision on, and the log says so first", async () => {
  const folder = scratchFolder();
  const { bundles, desk, lines, offer, revision } = await startOn(folder, variant("r1"));
  const before = bundles.current();
  expect(await offer(variant("r2"), "e2")).toBe("");
  expect(revision()).toBe("r2");
  expect(before.revision).toBe("r1");
  const { digest } = bundles.current();
  expect(lines).toMatchObject([
    {
      actor: "weir",
      before: { digest: before.digest, revision: "r1" },
      change: "activated",
      digest,
      revision: "r2",
    },
  ]);
  expect(desk.etag).toBe("e2");
  expect(bundles.byDigest(before.digest)?.revision).toBe("r1");
  expect(desk.status()).toMatchObject({ active: { revision: "r2" }, problem: "" });
  // The same once more is no change.
  await offer(variant("r2"), "e2b");
  expect(lines).toHaveLength(1);
});

test.each([
  ["no archive", new Map([["data.json", Buffer.from("{}")]]), "the bundle holds no .manifest"],
  [
    "data that rules would misread",
    variant("bad", ({ limits }) => ({ limits: { ...limits, agent_depth: "8" as never } })),
    'config.limits.agent_depth: "8" is not a whole number',
  ],
  [
    "a smoke case that decides otherwise",
    new Map([...variant("bad"), smoke([{ effect: "allow", input: {}, name: "nothing given" }])]),
    "nothing given: the effect is block, it has to be allow",
  ],
  ["what this service cannot do", variant("unfit"), "it masks what this state shares"],
  [
    "smoke cases of another form",
    new Map([...variant("bad"), smoke([{ name: "x" }])]),
    "smoke.json x: input is no object",
  ],
])(
  "with %s it is refused: the one before goes on, and status and log say why",
  async (_what, files, why) => {
    const { desk, lines, notes, offer, revision } = await startOn(scratchFolder(), variant("r1"));
    expect(await offer(files, "bad")).toContain(why);
    expect(revision()).toBe("r1");
    expect(desk.status().problem).toContain(why);
    expect(lines).toMatchObject([
      { change: "refused", reason: expect.stringContaining(why) as string },
    ]);
    expect(notes.map(({ message }) => message)).toEqual([expect.stringContaining(why)]);
    // It is not asked for again until it changes, nor tried and logged again where there is no ETag.
    expect(desk.etag).toBe("bad");
    await offer(files, "bad");
    expect(lines.length).toBeLessThanOrEqual(files.size > 1 ? 1 : 2);
    expect(await offer(variant("r2"))).toBe("");
    expect(desk.status().problem).toBe("");
  },
);

test("with two keys allowed, no signature and one of an unknown key are refused; the last good stays", async () => {
  const folder = scratchFolder();
  const [a, b] = [writeKeys(folder, "ES256", "a"), writeKeys(folder, "EdDSA", "b")];
  const keys = join(folder, "keys.json");
  writeFileSync(keys, JSON.stringify({ A: { key: a.text }, B: { key: b.text } }));
  const sign = (files: BundleArchive, path: string, keyId: string) =>
    signArchive(files, readSigningKey(path), { keyId });
  const source = writeFolder(join(folder, "source"), await sign(variant("r1"), a.private, "A"));
  const { desk, lines, offer, revision } = await open(join(folder, "bundles"), source, keys);
  expect(await offer(variant("r2"))).toContain("it holds no .signatures.json");
  expect(await offer(await sign(variant("r3"), a.private, "C"))).toContain('signed with key "C"');
  const elsewhere = writeFolder(join(folder, "elsewhere"), variant("r4"));
  await expect(desk.activate(elsewhere, "ops", "why")).rejects.toThrow("no valid signature");
  expect(revision()).toBe("r1");
  expect(lines.map(({ actor, change }) => [actor, change])).toEqual([
    ["weir", "refused"],
    ["weir", "refused"],
    ["ops", "refused"],
  ]);
  expect(await offer(await sign(variant("r5"), b.private, "B"))).toBe("");
  expect(revision()).toBe("r5");
});

test("a restart uses the last good one while the server is away; changed by one byte, it is refused", async () => {
  const folder = scratchFolder();
  const keys = writeKeys(folder, "ES256");
  const kept = join(folder, "bundles");
  const sign = (files: BundleArchive) => signArchive(files, readSigningKey(keys.private));
  const source = writeFolder(join(folder, "source"), await sign(variant("r1")));
  const first = await open(kept, source, keys.public);
  await first.offer(await sign(variant("r2")));

  const again = await open(kept, DOWN, keys.public);
  expect([again.revision(), again.notes]).toEqual(["r2", []]);
  const data = join(kept, again.bundles.current().digest, "data.json");
  writeFileSync(data, readFileSync(data, "utf8").replace("acme", "acne"));
  const changed = await open(kept, DOWN, keys.public);
  expect(changed.revision()).toBe("r1");
  expect(changed.notes[0]?.message).toContain("data.json was changed after it was signed");
  // Keys that were exchanged since believe none of them.
  const others = writeKeys(folder, "ES256", "others");
  await expect(open(kept, DOWN, others.public)).rejects.toThrow("cannot be fetched");
});

test("what an operator activated or returned to stays, over restarts, until the source offers another", async () => {
  const folder = scratchFolder();
  const source = writeFolder(join(folder, "source"), variant("r1"));
  const kept = join(folder, "bundles");
  const first = await open(kept, source);
  await first.offer(variant("r2"), "e2");
  const change = await first.desk.rollback("ops", "too tight");
  expect(change).toMatchObject({
    after: { actor: "ops", revision: "r1" },
    before: { revision: "r2" },
  });
  expect(first.lines.at(-1)).toMatchObject({
    actor: "ops",
    before: { digest: change.before.digest, revision: "r2" },
    change: "rolled_back",
    digest: change.after.digest,
    reason: "too tight",
  });
  expect([await first.offer(variant("r2"), "e2"), first.revision()]).toEqual(["", "r1"]);
  await expect(first.desk.rollback("ops", "again")).rejects.toThrow("no earlier bundle");
  const other = writeFolder(join(folder, "other"), variant("r3"));
  await first.desk.activate(other, "ops", "hotfix");
  expect(first.revision()).toBe("r3");
  await expect(first.desk.activate("other", "ops", "x")).rejects.toThrow(
    "neither an absolute path",
  );

  // The source still holds what it offered last: the operator's choice stays, until it changes.
  writeFolder(source, variant("r2"));
  const again = await open(kept, source);
  expect([again.revision(), again.desk.status().active.actor]).toEqual(["r3", "ops"]);
  expect(await again.offer(variant("r4"))).toBe("");
  expect(again.revision()).toBe("r4");
});

test("a server that is away is told of once, and no problem once it answers", async () => {
  const { desk, notes, offer } = await startOn(scratchFolder(), variant("r1"));
  const away = new WeirError("bundle.unavailable", "it does not answer");
  for (const error of [away, away]) desk.failed(error);
  expect([desk.status().problem, notes]).toEqual(["it does not answer", [away]]);
  desk.unchanged();
  expect(desk.status().problem).toBe("");
  await offer(new Map([["data.json", Buffer.from("{}")]]));
  desk.failed(away);
  desk.unchanged();
  expect(desk.status().problem).toContain("holds no .manifest");
});

test("one in quarantine decides again only once an operator says so", async () => {
  const folder = scratchFolder();
  const { bundles, desk, offer, revision } = await startOn(folder, variant("r1"));
  await offer(variant("r2"));
  const { digest } = bundles.current();
  quarantine(bundles.folder, { atMs: START_MS, digest, why: "it did not end" });
  const again = await open(bundles.folder, DOWN);
  expect(again.revision()).toBe("r1");
  expect(again.notes[0]?.message).toContain(
    "is in quarantine since 2026-11-25T12:00:00.000Z: it did",
  );
  expect(await again.offer(variant("r2"))).toContain("is in quarantine: it did not end");
  expect(again.desk.status().quarantined).toHaveLength(1);
  const path = writeFolder(join(folder, "r2"), variant("r2"));
  await again.desk.activate(path, "ops", "it was the machine");
  expect([again.revision(), again.desk.status().quarantined]).toEqual(["r2", []]);
  expect([desk.status().active.revision, revision()]).toEqual(["r2", "r2"]);
});

test("a start refuses what is new and bad, and goes on with the last good one where the source is the same", async () => {
  const folder = scratchFolder();
  const kept = join(folder, "bundles");
  const source = writeFolder(join(folder, "source"), variant("r1"));
  await open(kept, source);
  rmSync(join(source, "policy.wasm"));
  const again = await open(kept, source);
  expect([again.revision(), again.desk.status().problem]).toEqual([
    "r1",
    "the bundle holds no policy.wasm, only .manifest, data.json",
  ]);
  expect(again.notes[0]?.message).toContain("the last good one, r1, decides");
  const elsewhere = writeFolder(join(folder, "elsewhere"), variant("r2"));
  rmSync(join(elsewhere, ".manifest"));
  await expect(open(kept, elsewhere)).rejects.toThrow("holds no .manifest");
  const only = (await startOn(join(folder, "new"), variant("r9"))).bundles;
  quarantine(only.folder, { atMs: 0, digest: only.current().digest, why: "it did not end" });
  await expect(open(only.folder, only.state.configured)).rejects.toThrow(
    "no other bundle is kept: start with another one, or remove that file to take the risk",
  );
});

function smoke(cases: unknown): readonly [string, Buffer] {
  return ["smoke.json", Buffer.from(JSON.stringify(cases))];
}
