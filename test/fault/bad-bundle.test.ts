import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";

import { type BundleArchive, pack } from "../../adapters/bundles/archive.ts";
import { startCanary } from "../../adapters/bundles/canary.ts";
import { variant, writeFolder } from "../../adapters/bundles/testing/variant.ts";
import { tryBundle } from "../../adapters/bundles/trial.ts";
import { readLog } from "../../adapters/embedded/segments.ts";
import { connectAdmin } from "../../adapters/grpc/admin-client.ts";
import { connect } from "../../adapters/grpc/client.ts";
import { buildPolicies } from "../../adapters/opa/compile.ts";
import { bundleDigest, openBundle } from "../../engine/policy/bundle.ts";
import { startWeir } from "../e2e/child.ts";
import { wireIntent } from "../e2e/live.ts";
import { START_MS } from "../support/engine.ts";

// Goal: rules that run away, trap or eat memory get into no service where the bundle's own cases show
// it, and where they do not, cost one call, not the service. Method: such rules, compiled by OPA.

/** Whole services, started one after the other. */
const PATIENT = { timeout: 300_000 };
const ROOT = join(import.meta.dirname, "../..");
const metadata = (code: string) => `# METADATA
# title: ${code}
# description: A rule that goes wrong on a label.
# custom:
#   code: org.${code}
#   severity: error
#   message: "{what}"`;
const rule = (code: string, body: string) => `${metadata(code)}
deny contains finding.of(rego.metadata.rule(), {"what": "${code}"}) if {
	input.intent.labels.bad == "${code}"
	${body}
}
`;
// A thousand times ten thousand times a thousand characters.
const HOG = `n := numbers.range(1, 1000)
	text := concat("", ["0123456789" | some _ in n])
	more := concat("", [text | some _ in n])
	count(concat("", [more | some _ in n])) > 1`;
// A loop must keep nothing, or it ends where the memory is full.
const REGO = `package org.rules.bad

import data.weir.lib.finding

${rule("spin", "n := numbers.range(1, 4000)\n\tsome a in n\n\tsome b in n\n\tsome c in n\n\ta == b\n\tb < c\n\tc < a")}
${rule("hog", HOG)}
${rule("conflict", 'object := {"k": v | some v in [1, 2]}\n\tobject.k == 1')}
`;

let folder: string;
let bad: BundleArchive;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "weir-bad-"));
  cpSync(join(ROOT, "policies"), join(folder, "policies"), { recursive: true });
  mkdirSync(join(folder, "policies/org/rules/bad"), { recursive: true });
  writeFileSync(join(folder, "policies/org/rules/bad/bad.rego"), REGO);
  const { data, manifest, wasm } = await buildPolicies(folder);
  bad = new Map([
    [".manifest", Buffer.from(manifest)],
    ["data.json", Buffer.from(data)],
    ["policy.wasm", Buffer.from(wasm)],
  ]);
});
afterAll(() => rmSync(folder, { force: true, recursive: true }));

const filesOf = (archive: BundleArchive) => ({
  data: String(archive.get("data.json")),
  manifest: String(archive.get(".manifest")),
  wasm: archive.get("policy.wasm") as Buffer,
});

/** A policy input with this label, off a real decision's. */
async function inputWith(label: string): Promise<{ intent: { labels: object } }> {
  const { sampleInputs } = await import("../../engine/decision/sample-inputs.ts");
  const [first] = sampleInputs(openBundle(filesOf(bad)), START_MS);
  const input = JSON.parse(first?.text ?? "") as { intent: { labels: object } };
  return { ...input, intent: { ...input.intent, labels: { bad: label } } };
}

const withCase = async (label: string): Promise<BundleArchive> => {
  const cases = [{ input: await inputWith(label), name: `labelled ${label}` }];
  return new Map([...bad, ["smoke.json", Buffer.from(JSON.stringify(cases))]]);
};

describe("activation", () => {
  test("takes a bundle whose own calls show nothing", async () => {
    expect(await tryBundle(bad, { nowMs: START_MS, samples: 50 })).toBe(50);
  });

  test.each([
    ["spin", 300, "labelled spin: the evaluation does not end within 300 ms"],
    ["hog", 60_000, "labelled hog: the policy failed: "],
    ["conflict", 60_000, "labelled conflict: the policy failed: "],
  ])("refuses one with a case of %s, naming the input", async (label, deadlineMs, message) => {
    const options = { deadlineMs, nowMs: START_MS, samples: 0 };
    await expect(tryBundle(await withCase(label), options)).rejects.toThrow(message);
    const recent = [JSON.stringify(await inputWith(label))];
    await expect(tryBundle(bad, { ...options, recent })).rejects.toThrow(
      message.replace(/^[^:]+/, "recent input 1 of 1"),
    );
  });
});

test("a canary that does not end is stopped, and the bundle that decides goes on", async () => {
  const canary = startCanary("bad", bad, folder, 300);
  onTestFinished(() => canary.stop());
  const { policy } = openBundle(filesOf(variant("good")));
  const watched = canary.watch(policy, "0".repeat(64));
  const fine = JSON.stringify(await inputWith("none"));
  const spin = JSON.stringify(await inputWith("spin"));
  watched.evaluate(fine);
  await expect.poll(() => canary.status().judged, { timeout: 60_000 }).toBe(1);
  expect(watched.evaluate(spin).fault).toBeNull();
  await expect
    .poll(() => canary.status().stopped, { timeout: 60_000 })
    .toBe("an evaluation did not end within 300 ms");
  expect(watched.evaluate(fine).fault).toBeNull();
});

describe("at run time", () => {
  test("a trap and a full memory are one fault each, however often, and never the next call's", async () => {
    const { policy } = openBundle(filesOf(bad));
    const fine = JSON.stringify(await inputWith("none"));
    const before = policy.evaluate(fine);
    expect(before.fault).toBeNull();
    for (const [label, times] of [
      ["conflict", 100],
      ["hog", 3],
    ] as const) {
      const text = JSON.stringify(await inputWith(label));
      for (let count = 0; count < times; count += 1) {
        expect(policy.evaluate(text).fault).not.toBeNull();
        expect(policy.evaluate(fine)).toEqual(before);
      }
    }
    const tooLarge = JSON.stringify({ padding: "x".repeat(140 << 20) });
    expect(policy.evaluate(tooLarge).fault).toContain("emory");
    expect(policy.evaluate(fine)).toEqual(before);
  });

  test(
    "a runaway ends the process within seconds, and the next start goes on without that bundle",
    PATIENT,
    async () => {
      const cwd = mkdtempSync(join(tmpdir(), "weir-runaway-"));
      onTestFinished(() => rmSync(cwd, { force: true, recursive: true }));
      const good = writeFolder(join(cwd, "good"), variant("good"));
      writeFileSync(join(cwd, "bad.tar.gz"), pack(bad));
      const first = await startWeir(cwd, "--bundle", good);
      const admin = connectAdmin({ address: first.grpc });
      await admin.activateBundle({ reason: "looks fine", source: join(cwd, "bad.tar.gz") });
      admin.close();
      const client = connect({ address: first.grpc });
      expect((await client.decide(wireIntent("1"))).effect).toBe(1);
      const blocked = await client.decide(wireIntent("2", { labels: { bad: "conflict" } }));
      expect(blocked.reasons.map(({ code }) => code)).toEqual(["policy.fault"]);
      expect((await client.decide(wireIntent("3"))).effect).toBe(1);
      const lost = client.decide(wireIntent("4", { labels: { bad: "spin" } }));
      await expect(lost).rejects.toThrow();
      client.close();
      await first.exited;
      expect(first.child.signalCode).toBe("SIGKILL");
      const digest = bundleDigest(filesOf(bad));
      expect(await first.noted).toContain(
        `an evaluation did not end within 1000 ms; the process ends now, and bundle ${digest.slice(0, 12)} does not decide again; the input is in `,
      );
      const [name = ""] = readdirSync(join(cwd, "weir-data/bundles/quarantine"));
      const entry = JSON.parse(
        readFileSync(join(cwd, "weir-data/bundles/quarantine", name), "utf8"),
      ) as { digest: string; input: string };
      expect(entry.digest).toBe(digest);
      expect(JSON.parse(entry.input)).toMatchObject({ intent: { labels: { bad: "spin" } } });

      const second = await startWeir(cwd, "--bundle", good);
      const again = connect({ address: second.grpc });
      const decision = await again.decide(wireIntent("4", { labels: { bad: "spin" } }));
      expect([decision.effect, decision.bundleRevision]).toEqual([1, "good"]);
      again.close();
      second.child.kill("SIGTERM");
      expect(await second.exited).toEqual([0, null]);
      expect(await second.noted).toMatch(
        /kept bundle [0-9a-f]{12}: bundle .* is in quarantine since/,
      );
      const lines = [...readLog(join(cwd, "weir-data/log"))].map(({ line }) => line);
      expect(lines.flatMap((line) => (line.kind === "bundle" ? [line.revision] : []))).toEqual([
        "good",
        JSON.parse(String(bad.get(".manifest"))).revision,
        "good",
      ]);
      expect(lines.filter((line) => line.kind === "decision")).toHaveLength(4);
    },
  );
});
