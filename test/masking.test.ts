import { createHash } from "node:crypto";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, describe, expect, test } from "vitest";

import { loadConfig } from "../adapters/config.ts";
import { SaltFile } from "../adapters/embedded/salts.ts";
import { openEngine } from "../adapters/serve.ts";
import { verifyFolder } from "../adapters/serve/audit-verify.ts";
import { erasePerson } from "../adapters/serve/erase-person.ts";
import { SteppedClock } from "../adapters/system/clock.ts";
import type { BundleData } from "../engine/policy/bundle-data.ts";
import { checkData } from "../engine/policy/check-data.ts";
import { firstInput, type LogLine } from "../engine/record/record.ts";
import { budgetOf } from "./support/budgets.ts";
import { intentOf, LOCAL, openTestEngine, SHIPPED_BUNDLE, START_MS } from "./support/engine.ts";
import { open } from "./support/opened.ts";

// Goal: what is masked is nowhere in the folder, one person stays one person, and one that is erased
// is nobody, while every proof holds.

const SECRETS = ["ada.lovelace@example.com", "case-4711"];
const masking = { fields: ["attribution.user", "labels.case"] };
const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { force: true, recursive: true });
});

const ofUser = (id: string, user: string) =>
  intentOf(id, {
    attribution: { ...intentOf("").attribution, user },
    labels: { case: SECRETS[1], kind: "chat" },
  });

function textsIn(folder: string): string {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.includes("bundles"))
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), "latin1"))
    .join("\n");
}

function userOf(line: LogLine | undefined): string {
  return line?.kind === "decision" ? firstInput(line).intent.attribution.user : "";
}

const noNote = ({ message }: Error) => expect.unreachable(message);
const decisions = (lines: readonly LogLine[]) => lines.filter(({ kind }) => kind === "decision");

describe("masked fields", () => {
  const data = { budgets: [budgetOf("user", { limit: 1_200, per: ["user"] })], masking };

  test("are nowhere in the folder, and the policy saw what the record holds", async () => {
    const folder = mkdtempSync(join(tmpdir(), "weir-mask-"));
    folders.push(folder);
    const salts = new SaltFile(folder);
    const engine = await open({ data, folder, ports: () => ({ masks: salts }) });
    await engine.weir.decide(ofUser("a", SECRETS[0] ?? ""), LOCAL);
    const [record] = decisions(engine.lines());
    expect(userOf(record)).toMatch(/^masked:[0-9a-f]{32}$/);
    if (record?.kind !== "decision") return expect.unreachable();
    expect(firstInput(record).intent.labels).toEqual({
      case: expect.stringMatching(/^masked:/) as unknown,
      kind: "chat",
    });
    expect(record.reservation.holds[0]?.instance).toContain(encodeURIComponent(userOf(record)));
    for (const secret of SECRETS) expect(textsIn(folder)).not.toContain(secret);
    return salts.close();
  });

  test("are the same word for the same value, over restarts, and another for another value or field", async () => {
    const folder = mkdtempSync(join(tmpdir(), "weir-mask-"));
    folders.push(folder);
    const first = new SaltFile(folder);
    const word = first.mask("attribution.user", "ada");
    expect(first.mask("attribution.user", "ada")).toBe(word);
    expect(first.mask("attribution.customer", "ada")).not.toBe(word);
    expect(first.mask("attribution.user", "bo")).not.toBe(word);
    first.close();
    const again = new SaltFile(folder);
    expect(again.mask("attribution.user", "ada")).toBe(word);
    again.close();
    const elsewhere = mkdtempSync(join(tmpdir(), "weir-mask-"));
    folders.push(elsewhere);
    const other = new SaltFile(elsewhere);
    expect(other.mask("attribution.user", "ada")).not.toBe(word);
    other.close();
  });

  test("count one person's calls on one budget, and a freeze by name stops them", async () => {
    const ample = { budgets: [budgetOf("user", { limit: 1_300, per: ["user"] })], masking };
    const engine = await open({ data: ample });
    const answers = [];
    for (const [id, user] of [
      ["a", "ada"],
      ["b", "ada"],
      ["c", "bo"],
    ] as const) {
      answers.push((await engine.weir.decide(ofUser(id, user), LOCAL)).effect);
    }
    expect(answers).toEqual(["allow", "block", "allow"]);
    await engine.operator.freeze({ reason: "left", scope: "user:cy", tenant: "acme" }, LOCAL);
    const { effect, reasons } = await engine.weir.decide(ofUser("d", "cy"), LOCAL);
    expect([effect, reasons.map(({ code }) => code)]).toEqual([
      "block",
      expect.arrayContaining(["freeze.active"]),
    ]);
    expect(JSON.stringify(engine.lines())).not.toContain("user:cy");
    await engine.operator.unfreeze({ reason: "back", scope: "user:cy", tenant: "acme" }, LOCAL);
    expect((await engine.weir.decide(ofUser("e", "cy"), LOCAL)).effect).toBe("allow");
  });
});

describe("a bundle that masks", () => {
  const shipped = async (): Promise<BundleData> => {
    const engine = await open();
    return engine.ports.bundles.current().data;
  };

  test.each([
    ["the tenant", "attribution.tenant", "cannot be masked; accepted are attribution.user"],
    ["a team", "attribution.team", "cannot be masked"],
    ["the model", "model", "cannot be masked"],
    ["a label without a name", "labels.", "cannot be masked"],
  ])("%s is refused", async (_name, path, message) => {
    const data = { ...(await shipped()), masking: { fields: ["labels.x", path] } };
    expect(() => checkData(data)).toThrow(`config.masking.fields[1]: "${path}" ${message}`);
  });

  test("what a budget matches by value is refused, what it only counts by is not", async () => {
    const data = await shipped();
    const matching = { ...data, budgets: [budgetOf("ada", { match: { user: "ada" } })], masking };
    expect(() => checkData(matching)).toThrow("budget ada matches it by value");
    const counting = { ...data, budgets: [budgetOf("each", { per: ["user"] })], masking };
    expect(() => checkData(counting)).not.toThrow();
  });
});

describe("erasing a person", () => {
  test("destroys the salt: the log is proven as before, and nobody can tell whose the masks are", async () => {
    const folder = mkdtempSync(join(tmpdir(), "weir-mask-"));
    folders.push(folder);
    const config = await loadConfig({ cwd: folder, env: {}, flags: { data: folder } });
    const clock = new SteppedClock(START_MS);
    const bundle = maskingBundle(folder);
    const engine = await openEngine({ ...config, bundle }, { clock });
    const first = await engine.weir.decide(ofUser("a", "ada"), LOCAL);
    await engine.close();

    const masks = await erasePerson({ ...config, bundle }, "ada", "request of 2026-11-25", noNote);
    expect(masks).toHaveLength(2);
    const trust = { keys: [], witness: null };
    const proof = verifyFolder(folder, trust, true);
    expect(proof).toMatchObject({ problems: [], signed: proof.records });
    await expect(erasePerson(config, "ada", "again", noNote)).rejects.toThrow("is erased already");

    const again = await openTestEngine({ folder });
    const record = decisions(again.lines())[0];
    expect(masks[0]).toBe(`attribution.user ${userOf(record)}`);
    expect(
      again.lines().find((line) => line.kind === "control" && line.action === "person.erased"),
    ).toMatchObject({
      before: masks.join(", "),
      reason: "request of 2026-11-25",
    });
    const salts = new SaltFile(folder);
    expect(salts.mask("attribution.user", "ada")).not.toBe(userOf(record));
    salts.close();
    // Its money can still be settled.
    const usage = { input: 900, output: 200 };
    const report = { decisionId: first.id, final: true, outcome: "ok", sequence: 1, usage };
    expect((await again.weir.report(report, LOCAL)).status).toBe("settled");
    await again.close();
  });
});

/** The shipped bundle with masking in its data, as a folder. */
function maskingBundle(folder: string): string {
  const to = join(folder, "masking-bundle");
  cpSync(SHIPPED_BUNDLE, to, { recursive: true });
  const data = JSON.parse(readFileSync(join(to, "data.json"), "utf8")) as {
    config: Record<string, unknown>;
  };
  const text = JSON.stringify({ ...data, config: { ...data.config, masking } });
  writeFileSync(join(to, "data.json"), text);
  const manifest = JSON.parse(readFileSync(join(to, ".manifest"), "utf8")) as {
    metadata: { weir: { data_sha256: string } };
  };
  manifest.metadata.weir.data_sha256 = createHash("sha256").update(text).digest("hex");
  writeFileSync(join(to, ".manifest"), JSON.stringify(manifest));
  return to;
}
