import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

import { expect, test } from "vitest";

import { canonicalJson } from "../engine/record/canonical.ts";
import { EVERY_KIND } from "./support/budgets.ts";
import { intentOf, LOCAL, openTestEngine, type TestEngine } from "./support/engine.ts";
import { LossyStore } from "./support/ports.ts";
import { Random, testSeed } from "./support/random.ts";
import { Traffic } from "./support/traffic.ts";

/** The JSON of every line, as it lies on the disk. */
function texts(engine: TestEngine): string[] {
  const folder = join(engine.folder, "log");
  return readdirSync(folder)
    .toSorted()
    .flatMap((name) => readFileSync(join(folder, name), "utf8").trimEnd().split("\n"))
    .map((line) => line.slice(line.indexOf("{")));
}

function expectCanonical(engine: TestEngine): Set<string> {
  const kinds = new Set<string>();
  for (const text of texts(engine)) {
    const line = JSON.parse(text) as { kind: string };
    expect(text).toBe(canonicalJson(line));
    kinds.add(line.kind);
  }
  return kinds;
}

test("every line of a busy run is canonical", async () => {
  const seed = testSeed("canonical lines");
  const engine = await openTestEngine({ data: { budgets: EVERY_KIND }, seed: String(seed) });
  await new Traffic(engine, new Random(seed)).run(500);
  await engine.weir.decide({ id: "refused" }, LOCAL).catch(() => undefined);
  await engine.weir.idle();
  const freeze = {
    actor: "ops",
    at_ms: 1,
    frozen: true,
    kind: "freeze",
    reason: "r",
    scope: "*",
    tenant: "*",
    v: 1,
  } as const;
  await engine.ports.log.append(freeze);
  await engine.ports.log.append({ ...freeze, before: { frozen: true, reason: "q" } });
  const grant = { amount: 1, budget: "day", reason: "\u00e9", tenant: "acme" };
  await engine.operator.grant({ ...grant, untilMs: engine.clock.nowMs() + 1_000 }, LOCAL);
  await engine.ports.log.append({ at_ms: 1, digest: "d", kind: "bundle", revision: "r", v: 1 });
  expect([...expectCanonical(engine)].toSorted()).toEqual([
    "bundle",
    "decision",
    "entry",
    "freeze",
    "grant",
    "rejected",
    "report",
  ]);
  await engine.close();
});

test("with strings of every kind in every field that takes one", async () => {
  const engine = await openTestEngine();
  const odd = [
    "\u00e9",
    "e\u0301",
    "\u{1f600}",
    "\ufb33",
    "\u2028",
    '"\\/',
    "<&>",
    "\ud83d",
    "\u0100".repeat(60),
  ];
  for (const [index, text] of odd.entries()) {
    const raw = intentOf(`${index}${text}`, {
      attempt: { number: 2, reason: text, retryOf: text },
      attribution: { ...intentOf("").attribution, customer: text, user: text },
      data: { classes: [text, "pii"], residency: text },
      labels: { _z: text, a: text, B: text },
      prompt: { id: text, version: text },
      release: text,
      run: { fingerprint: text, id: text, parent: text, step: 3 },
    });
    const decision = await engine.weir.decide(raw, LOCAL);
    await engine.weir.report(
      { decisionId: decision.id, model: text, usage: { input: 5, output: 1 } },
      LOCAL,
    );
  }
  expectCanonical(engine);
  const again = await engine.openCopy();
  expect(again.recovery.differences).toEqual([]);
  await again.close();
  await engine.close();
});

test("in shadow, under a freeze, and without the state store", async () => {
  const store = new LossyStore();
  const engine = await openTestEngine({
    mode: "shadow",
    ports: ({ state }) => ({ state: store.wrap(state) }),
  });
  await engine.weir.decide(intentOf("a", { model: "openai:none" }), LOCAL);
  await engine.store.freeze("acme", { reason: "\u00e9", scope: "team:search" });
  await engine.weir.decide(intentOf("b"), LOCAL);
  store.lost = true;
  await engine.weir.decide(intentOf("c", { run: { id: "r" } }), LOCAL);
  expectCanonical(engine);
  await engine.close();
});
