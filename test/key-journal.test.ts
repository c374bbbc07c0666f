import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { loadConfig } from "../adapters/config.ts";
import { createKey, revokeKey } from "../adapters/keys/keys.ts";
import { openEngine } from "../adapters/serve.ts";
import type { ControlRecord } from "../engine/record/record.ts";
import { linesOf } from "./support/engine.ts";

// Goal: who made and ended an API key is in the log, though another process did it. Method: the key file
// of a folder changes under an engine that is open on it, and while none is.

let data: string;
beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), "weir-keys-"));
});
afterEach(() => rmSync(data, { force: true, recursive: true }));

async function open() {
  return openEngine(await loadConfig({ cwd: data, env: {}, flags: { data } }));
}

function changes(): ControlRecord[] {
  return [...linesOf(join(data, "log"))].flatMap((line) =>
    line.kind === "control" && line.action.startsWith("api_key.") ? [line] : [],
  );
}

const logged = (count: number): Promise<unknown> =>
  vi.waitFor(() => expect(changes()).toHaveLength(count), { interval: 50, timeout: 30_000 });

test(
  "keys made and revoked are records, with who and why, once each",
  { timeout: 120_000 },
  async () => {
    const before = await createKey(data, { by: "root", note: "", now: 1, principal: "early" });
    const engine = await open();
    expect(changes()).toMatchObject([
      {
        action: "api_key.created",
        actor: "root",
        after: "early",
        reason: "no note was given",
        subject: before.id,
      },
    ]);
    const { id, secret } = await createKey(data, {
      by: "eve",
      note: "the pipeline",
      now: 2,
      principal: "ci",
    });
    await logged(2);
    await revokeKey(data, id, 3, { by: "bo", why: "leaked" });
    await logged(3);
    await engine.close();
    await revokeKey(data, before.id, 4);
    await (await open()).close();
    await (await open()).close();
    expect(changes().slice(1)).toMatchObject([
      {
        action: "api_key.created",
        actor: "eve",
        after: "ci",
        before: "",
        reason: "the pipeline",
        subject: id,
      },
      {
        action: "api_key.revoked",
        actor: "bo",
        after: "",
        before: "ci",
        reason: "leaked",
        subject: id,
      },
      {
        action: "api_key.revoked",
        actor: "unknown",
        before: "early",
        reason: "no reason was given",
        subject: before.id,
      },
    ]);
    expect(JSON.stringify(changes())).not.toContain(secret);
  },
);

test("a key that was taken out of the file by hand is one that ended", async () => {
  const { id } = await createKey(data, { note: "", now: 1, principal: "ci" });
  await (await open()).close();
  writeFileSync(join(data, "keys.json"), JSON.stringify({ keys: [], version: 1 }));
  await (await open()).close();
  expect(changes().at(-1)).toMatchObject({
    action: "api_key.revoked",
    reason: "taken out of the key file",
    subject: id,
  });
});
