import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";

import { pack, readArchive } from "../../adapters/bundles/archive.ts";
import { readLog } from "../../adapters/embedded/segments.ts";
import { type AdminClient, connectAdmin } from "../../adapters/grpc/admin-client.ts";
import { writeBundle } from "../../adapters/opa/compile.ts";
import { dataLayout } from "../../adapters/serve/local-storage.ts";
import { LIMITS } from "../../engine/limits.ts";
import type { BudgetData, BundleData } from "../../engine/policy/bundle-data.ts";
import { weir } from "../../proto/gen/weir.js";
import { changedFiles } from "../support/bundle.ts";
import { SHIPPED_BUNDLE } from "../support/engine.ts";
import {
  accepted,
  encodeDecide,
  expectRefused,
  invalid,
  type Live,
  openLive,
  refused,
  type WireIntent,
  wireIntent,
  type WireReport,
} from "./live.ts";
import { sized } from "./wire.ts";

// Goal: every limit of engine/limits.ts, at it and one over, at the gRPC surface. Method: as in
// bad-input.test.ts; limits on the bundle with a starter bundle whose data is changed.

type Limit = keyof typeof LIMITS;
/** Which limits the tests below cover; the last test compares it with all there are. */
const covered = new Set<Limit>();

let live: Live;
let count = 0;
const fresh = (): string => `i${(count += 1)}`;

beforeAll(async () => {
  live = await openLive();
});

const others: Live[] = [];
const folders: string[] = [];

afterEach(async () => {
  for (const other of others.splice(0))
    expect(await other.close()).toMatchObject({ differences: [], imbalances: [] });
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

afterAll(async () => {
  expect(live.faults).toEqual([]);
  expect(await live.close()).toMatchObject({ differences: [], imbalances: [], owed: 0 });
});

const ATTRIBUTION = wireIntent("").attribution;
const text = (length: number): string => "x".repeat(length);

/** At the limit there is an answer, whatever the policy says; afterwards nothing is held. */
async function expectAnswered(intent: WireIntent): Promise<void> {
  live.clock.advance(60_000);
  const { id } = accepted(await live.decide(intent));
  accepted(await live.cancel(id));
}

describe("lengths", () => {
  const TEXTS: readonly (readonly [string, Limit, (value: string) => WireIntent])[] = [
    ["id", "idChars", (id) => ({ id })],
    ["model", "idChars", (value) => ({ model: `p:${value.slice(2)}` })],
    ["attribution.tenant", "idChars", (tenant) => ({ attribution: { ...ATTRIBUTION, tenant } })],
    ["attribution.team", "idChars", (team) => ({ attribution: { ...ATTRIBUTION, team } })],
    ["attribution.feature", "idChars", (feature) => ({ attribution: { ...ATTRIBUTION, feature } })],
    ["attribution.service", "idChars", (service) => ({ attribution: { ...ATTRIBUTION, service } })],
    ["attribution.user", "idChars", (user) => ({ attribution: { ...ATTRIBUTION, user } })],
    [
      "attribution.cost_center",
      "idChars",
      (costCenter) => ({ attribution: { ...ATTRIBUTION, costCenter } }),
    ],
    [
      "attribution.environment",
      "idChars",
      (environment) => ({ attribution: { ...ATTRIBUTION, environment } }),
    ],
    [
      "attribution.customer",
      "idChars",
      (customer) => ({ attribution: { ...ATTRIBUTION, customer } }),
    ],
    ["task", "wordChars", (task) => ({ task })],
    ["release", "idChars", (release) => ({ release })],
    ["data.residency", "wordChars", (residency) => ({ data: { residency } })],
    ["data.classes[0]", "wordChars", (one) => ({ data: { classes: [one] } })],
    ["run.id", "idChars", (id) => ({ run: { id } })],
    ["run.parent", "idChars", (parent) => ({ run: { id: "r", parent } })],
    ["run.fingerprint", "idChars", (fingerprint) => ({ run: { fingerprint, id: "r" } })],
    ["attempt.reason", "wordChars", (reason) => ({ attempt: { reason } })],
    ["attempt.retry_of", "idChars", (retryOf) => ({ attempt: { retryOf } })],
    ["providers[0]", "wordChars", (one) => ({ providers: [one] })],
    ["prompt.id", "idChars", (id) => ({ prompt: { id } })],
    ["prompt.version", "wordChars", (version) => ({ prompt: { version } })],
    ["labels.k", "labelValueChars", (k) => ({ labels: { k } })],
  ];
  test.each(TEXTS)("%s", async (field, limit, change) => {
    covered.add(limit);
    const max = LIMITS[limit];
    await expectAnswered(wireIntent(fresh(), change(text(max))));
    const over = wireIntent(fresh(), change(text(max + 1)));
    const description = `${max + 1} characters, at most ${max} are accepted`;
    await expectRefused(live, () => live.decide(over), invalid("intent", field, description));
  });

  test("a label's key", async () => {
    covered.add("labelKeyChars");
    await expectAnswered(wireIntent(fresh(), { labels: { [text(LIMITS.labelKeyChars)]: "v" } }));
    const over = text(LIMITS.labelKeyChars + 1);
    const rule =
      "is not accepted; a key starts with a letter or _ and holds at most 63 letters, digits and _ . / -";
    const want = invalid("intent", "labels", `key "${text(40)}…" ${rule}`);
    await expectRefused(
      live,
      () => live.decide(wireIntent(fresh(), { labels: { [over]: "v" } })),
      want,
    );
  });

  test("labels, classes and providers", async () => {
    covered.add("labels").add("dataClasses").add("providers");
    const providers = (many: number) => Array.from({ length: many }, (_, index) => `p${index}`);
    await expectAnswered(wireIntent(fresh(), { providers: providers(LIMITS.providers) }));
    const manyProviders = invalid("intent", "providers", "17 providers, at most 16 are accepted");
    const provided = wireIntent(fresh(), { providers: providers(LIMITS.providers + 1) });
    await expectRefused(live, () => live.decide(provided), manyProviders);
    const labels = (many: number) =>
      Object.fromEntries(Array.from({ length: many }, (_, index) => [`k${index}`, "v"]));
    const classes = (many: number) => Array.from({ length: many }, () => "pii");
    await expectAnswered(wireIntent(fresh(), { labels: labels(LIMITS.labels) }));
    await expectAnswered(wireIntent(fresh(), { data: { classes: classes(LIMITS.dataClasses) } }));
    const labelled = wireIntent(fresh(), { labels: labels(LIMITS.labels + 1) });
    const manyLabels = invalid("intent", "labels", "33 labels, at most 32 are accepted");
    await expectRefused(live, () => live.decide(labelled), manyLabels);
    const classed = wireIntent(fresh(), { data: { classes: classes(LIMITS.dataClasses + 1) } });
    const manyClasses = invalid("intent", "data.classes", "17 classes, at most 16 are accepted");
    await expectRefused(live, () => live.decide(classed), manyClasses);
  });

  test("a message of as many bytes as are taken, and of one more", async () => {
    covered.add("messageBytes");
    const padded = (bytes: number): Buffer => {
      const lawful = encodeDecide({ intent: wireIntent(fresh()) });
      // A field the contract does not know: two bytes of tag, three of length, the rest padding.
      return Buffer.concat([lawful, sized(900, Buffer.alloc(bytes - lawful.length - 5))]);
    };
    const most = padded(LIMITS.messageBytes);
    expect(most).toHaveLength(LIMITS.messageBytes);
    expect(Buffer.isBuffer(await live.send("Decide", most))).toBe(true);
    await expectAnswered(wireIntent(`i${count}`));
    const before = await live.standing();
    expect(refused(await live.send("Decide", padded(LIMITS.messageBytes + 1))).code).toBe(
      "RESOURCE_EXHAUSTED",
    );
    expect(await live.standing()).toEqual(before);
    await live.proveItServes();
  });
});

describe("counts", () => {
  const INTENT: readonly (readonly [string, Limit, (value: number) => WireIntent])[] = [
    ["tokens.input", "tokens", (input) => ({ tokens: { input } })],
    ["tokens.input_p95", "tokens", (inputP95) => ({ tokens: { input: 1, inputP95 } })],
    ["tokens.output_max", "tokens", (outputMax) => ({ tokens: { input: 1, outputMax } })],
    [
      "tokens.cache_read",
      "tokens",
      (cacheRead) => ({ tokens: { cacheRead, input: LIMITS.tokens } }),
    ],
    [
      "tokens.cache_write",
      "tokens",
      (cacheWrite) => ({ tokens: { cacheWrite, input: LIMITS.tokens } }),
    ],
    ["tokens.n", "answers", (n) => ({ tokens: { input: 1, n } })],
    ["run.step", "runStep", (step) => ({ run: { id: "r", step } })],
    ["run.depth", "runDepth", (depth) => ({ run: { depth, id: "r" } })],
    ["attempt.number", "attempt", (number) => ({ attempt: { number } })],
    ["deadline_ms", "deadlineMs", (deadlineMs) => ({ deadlineMs })],
  ];
  test.each(INTENT)("intent: %s", async (field, limit, change) => {
    covered.add(limit);
    const max = LIMITS[limit];
    await expectAnswered(wireIntent(fresh(), change(max)));
    const over = wireIntent(fresh(), change(max + 1));
    const description = `${max + 1} is not a whole number from 0 to ${max}`;
    await expectRefused(live, () => live.decide(over), invalid("intent", field, description));
  });

  const REPORT: readonly (readonly [string, Limit, (value: number) => WireReport])[] = [
    ["sequence", "reportSequence", (sequence) => ({ sequence })],
    ["usage.input", "reportedTokens", (input) => ({ usage: { input } })],
    [
      "usage.cache_read",
      "reportedTokens",
      (value) => ({ usage: { cacheRead: value, input: LIMITS.reportedTokens } }),
    ],
    [
      "usage.cache_write_5m",
      "reportedTokens",
      (value) => ({ usage: { cacheWrite_5m: value, input: LIMITS.reportedTokens } }),
    ],
    [
      "usage.cache_write_1h",
      "reportedTokens",
      (value) => ({ usage: { cacheWrite_1h: value, input: LIMITS.reportedTokens } }),
    ],
    ["usage.output", "reportedTokens", (output) => ({ usage: { output } })],
    [
      "usage.reasoning",
      "reportedTokens",
      (value) => ({ usage: { output: LIMITS.reportedTokens, reasoning: value } }),
    ],
  ];
  test.each(REPORT)("report: %s", async (field, limit, change) => {
    covered.add(limit);
    // A service of its own: a billion tokens spend its budgets.
    const own = await openOther();
    const max = LIMITS[limit];
    const { id } = accepted(await own.decide(wireIntent(fresh())));
    const report = { decisionId: id, final: true, outcome: 1 };
    const over = `${max + 1} is not a whole number from 0 to ${max}`;
    await expectRefused(
      own,
      () => own.report({ ...report, ...change(max + 1) }),
      invalid("report", field, over),
    );
    const { status } = accepted(await own.report({ ...report, ...change(max) }));
    expect(status).toBe(weir.v1.ReportStatus.REPORT_STATUS_SETTLED);
  });
});

describe("usage in the provider's own form", () => {
  const usage = { completion_tokens: 1, prompt_tokens: 1 };
  const sizedJson = (bytes: number): string => JSON.stringify({ usage }).padEnd(bytes);
  const raw = (bytes: number) => ({ rawUsage: { format: "openai.chat", json: sizedJson(bytes) } });
  const names = (many: number) => ({ unknownUsage: Array.from({ length: many }, () => "a b.c") });
  test.each([
    ["rawUsageBytes", "raw_usage.json", "bytes", raw],
    ["unknownUsage", "unknown_usage", "names", names],
  ] as const)("%s", async (limit, field, what, change) => {
    covered.add(limit);
    const own = await openOther();
    const { id } = accepted(await own.decide(wireIntent(fresh())));
    const report = (size: number) => ({ ...change(size), decisionId: id, final: true, outcome: 1 });
    const max = LIMITS[limit];
    const over = `${max + 1} ${what}, at most ${max} are accepted`;
    await expectRefused(own, () => own.report(report(max + 1)), invalid("report", field, over));
    const { status } = accepted(await own.report(report(max)));
    expect(status).toBe(weir.v1.ReportStatus.REPORT_STATUS_SETTLED);
  });
});

describe("times", () => {
  test("a report is taken seven days after the deadline, and not a millisecond later", async () => {
    covered.add("lateReportMs");
    const own = await openOther();
    const one = accepted(await own.decide(wireIntent("one")));
    const other = accepted(await own.decide(wireIntent("other")));
    const report = (decisionId: string) => ({
      decisionId,
      final: true,
      outcome: 1,
      usage: { input: 10 },
    });
    own.clock.set(Number(one.expiresAtMs) + LIMITS.lateReportMs);
    await own.service.weir.sweep();
    const taken = accepted(await own.report(report(one.id)));
    expect(taken).toMatchObject({
      flags: ["late"],
      status: weir.v1.ReportStatus.REPORT_STATUS_CORRECTED,
    });
    own.clock.advance(1);
    await expectRefused(own, () => own.report(report(other.id)), {
      code: "NOT_FOUND",
      message: `decision ${other.id} ended more than seven days ago`,
      reason: "decision.too_old",
      violations: [],
    });
  });

  test("an intent is known until ten minutes after its deadline, and then decided anew", async () => {
    covered.add("idempotencyGraceMs");
    const own = await openOther();
    const first = accepted(await own.decide(wireIntent("again")));
    own.clock.set(Number(first.expiresAtMs) + LIMITS.idempotencyGraceMs);
    await own.service.weir.sweep();
    expect(refused(await own.decide(wireIntent("again"))).reason).toBe("intent.finished");
    // It is forgotten by a sweep of the minute that follows.
    own.clock.advance(60_000);
    await own.service.weir.sweep();
    const second = accepted(await own.decide(wireIntent("again")));
    expect(second.replayed).toBe(false);
    expect(second.id).not.toBe(first.id);
    accepted(await own.cancel(second.id));
  });
});

describe("the bundle", () => {
  const BUDGET: BudgetData = {
    id: "all",
    limit: 1,
    match: {},
    mode: "soft",
    per: [],
    tenant: "acme",
    unit: "usd",
    window: { kind: "run" },
  };

  const BUNDLES: readonly (readonly [
    string,
    Limit,
    (data: BundleData, value: number) => Partial<BundleData>,
    string,
  ])[] = [
    [
      "a budget in money",
      "budgetMicroUsd",
      (_, limit) => ({ budgets: [{ ...BUDGET, limit }] }),
      "limit",
    ],
    [
      "a budget in calls",
      "budgetCount",
      (_, limit) => ({ budgets: [{ ...BUDGET, limit, unit: "calls" }] }),
      "limit",
    ],
    [
      "a budget in tokens",
      "budgetCount",
      (_, limit) => ({ budgets: [{ ...BUDGET, limit, unit: "tokens" }] }),
      "limit",
    ],
    [
      "a rolling budget",
      "rollingSeconds",
      (_, seconds) => ({ budgets: [{ ...BUDGET, window: { kind: "rolling", seconds } }] }),
      "window.seconds",
    ],
    [
      "the life of a reservation",
      "reservationTtlMs",
      ({ limits }, ms) => ({ limits: { ...limits, reservation_ttl_ms: ms } }),
      "config.limits.reservation_ttl_ms",
    ],
    [
      "a price",
      "priceMicroUsd",
      ({ prices }, input) => ({
        prices: {
          ...prices,
          rows: prices.rows.map((row) => ({ ...row, micro_usd_per_mtok: { input, output: 1 } })),
        },
      }),
      "micro_usd_per_mtok.input",
    ],
  ];
  test.each(BUNDLES)("%s", async (_name, limit, change, field) => {
    covered.add(limit);
    const max = LIMITS[limit];
    const at = await openOther(changedBundle((data) => change(data, max)));
    accepted(await at.decide(wireIntent("at")));
    const over = openOther(changedBundle((data) => change(data, max + 1)));
    await expect(over).rejects.toMatchObject({
      code: "bundle.invalid",
      message: expect.stringContaining(field),
      violations: expect.arrayContaining([
        expect.objectContaining({
          description: expect.stringMatching(
            new RegExp(`^${max + 1} is not a whole number from [01] to ${max}$`),
          ),
        }),
      ]),
    });
  });

  test("budgets that match one intent", async () => {
    covered.add("budgetsPerIntent");
    const budgets = (many: number): BudgetData[] =>
      Array.from({ length: many }, (_, index) => ({
        ...BUDGET,
        id: `b${index}`,
        window: { kind: "calendar", unit: "day", zone: "UTC" },
      }));
    const at = await openOther(
      changedBundle(() => ({ budgets: budgets(LIMITS.budgetsPerIntent) })),
    );
    accepted(await at.decide(wireIntent("at")));
    expect((await at.standing()).balances).toHaveLength(LIMITS.budgetsPerIntent);
    const over = openOther(
      changedBundle(() => ({ budgets: budgets(LIMITS.budgetsPerIntent + 1) })),
    );
    await expect(over).rejects.toMatchObject({
      code: "bundle.invalid",
      message: expect.stringContaining("65 budgets match one intent, at most 64 are accepted"),
    });
  });

  test("more routes than are sent or tried are not an error: the first in order count", async () => {
    covered.add("candidates").add("routesTried");
    const own = await openOther(
      changedBundle(({ models, routes }) => {
        // Everything but the asked model, none of which is cleared for the data of the intent.
        const all = Object.keys(models).filter((model) => model !== "openai:gpt-5-mini");
        return { routes: { ...routes, "openai:gpt-5-mini": all } };
      }),
    );
    const intent = wireIntent("routes", { data: { sensitivity: 4 } });
    const { id } = accepted(await own.decide(intent));
    const lines = [...readLog(dataLayout(own.config.data).log)].map(({ line }) => line);
    const record = lines.find((line) => line.kind === "decision" && line.id === id);
    if (record?.kind !== "decision") expect.unreachable("there is no record");
    const [asked] = record.evaluations as readonly { readonly input: unknown }[];
    const input = (typeof asked?.input === "string" ? JSON.parse(asked.input) : asked?.input) as {
      candidates: unknown[];
    };
    expect(input.candidates).toHaveLength(LIMITS.candidates);
    expect(record.evaluations.length).toBeLessThanOrEqual(1 + LIMITS.routesTried);
  });

  test("more steps of a run than are told apart are not an error: the oldest is forgotten", async () => {
    covered.add("fingerprintsPerRun");
    const own = await openOther(
      changedBundle(({ limits }) => ({
        budgets: [],
        limits: { ...limits, agent_repeats: 2, run_micro_usd: 1_000_000_000, run_steps: 1_000 },
        velocity: { report_percent: 0, scopes: {} },
      })),
    );
    const step = async (fingerprint: number): Promise<readonly string[]> => {
      own.clock.advance(1_000);
      const run = { fingerprint: `f${fingerprint}`, id: "run" };
      return accepted(await own.decide(wireIntent(fresh(), { run }))).reasons.map(
        ({ code }) => code,
      );
    };
    for (let fingerprint = 0; fingerprint < LIMITS.fingerprintsPerRun; fingerprint += 1)
      await step(fingerprint);
    const first = await step(0);
    expect(await step(0), "known as long as there is room").not.toEqual(first);
    await step(LIMITS.fingerprintsPerRun);
    expect(await step(0), "forgotten once there is none").toEqual(first);
  });
});

describe("a bundle's files", () => {
  const archive = (bytes: Buffer | number): string => {
    const folder = mkdtempSync(join(tmpdir(), "weir-limits-"));
    folders.push(folder);
    const path = join(folder, "bundle.tar.gz");
    writeFileSync(path, typeof bytes === "number" ? "" : bytes);
    if (typeof bytes === "number") truncateSync(path, bytes);
    return path;
  };

  test("the archive", () => {
    covered.add("bundleBytes");
    expect(() => readArchive(archive(LIMITS.bundleBytes))).toThrow("is not gzip");
    const over = archive(LIMITS.bundleBytes + 1);
    expect(() => readArchive(over)).toThrow("16777217 bytes is too large; at most 16777216 bytes");
  });

  test("what it unpacks to", () => {
    covered.add("bundleUnpackedBytes");
    const zeros = (length: number) => archive(gzipSync(Buffer.alloc(length), { level: 1 }));
    expect(readArchive(zeros(LIMITS.bundleUnpackedBytes)).size).toBe(0);
    const over = zeros(LIMITS.bundleUnpackedBytes + 1);
    expect(() => readArchive(over)).toThrow("what it unpacks to is too large; at most 67108864");
  });

  test("their number", () => {
    covered.add("bundleFiles");
    const files = (count: number) =>
      archive(
        pack(new Map(Array.from({ length: count }, (_, index) => [`${index}`, Buffer.alloc(0)]))),
      );
    expect(readArchive(files(LIMITS.bundleFiles)).size).toBe(LIMITS.bundleFiles);
    const over = files(LIMITS.bundleFiles + 1);
    expect(() => readArchive(over)).toThrow("it is too large; at most 1000 files are accepted");
  });
});

describe("operators", () => {
  const DAY_MS = 86_400_000;
  let own: Live;
  let admin: AdminClient;
  beforeAll(async () => {
    own = await openLive();
    admin = connectAdmin({ address: `127.0.0.1:${own.service.grpc.port}` });
  });
  afterAll(async () => {
    admin.close();
    await own.close();
  });
  const refusal = (field: string, description: string) => ({
    code: "admin.invalid",
    violations: [{ description, field }],
  });

  test("the reason of a freeze", async () => {
    covered.add("reasonChars");
    const freeze = { scope: "team:x", tenant: "acme" };
    await admin.freeze({ ...freeze, reason: text(LIMITS.reasonChars) });
    await expect(
      admin.freeze({ ...freeze, reason: text(LIMITS.reasonChars + 1) }),
    ).rejects.toMatchObject(refusal("reason", "257 characters, at most 256 are accepted"));
  });

  test("the scope of a freeze", async () => {
    const freeze = { reason: "r", tenant: "acme" };
    await admin.freeze({ ...freeze, scope: `cost_center:${text(LIMITS.idChars)}` });
    const over = admin.freeze({ ...freeze, scope: `team:${text(LIMITS.idChars + 1)}` });
    await expect(over).rejects.toMatchObject({
      code: "admin.invalid",
      message: expect.stringContaining('needs 1 to 128 characters after "team:"') as string,
    });
  });

  test("the end of a grant", async () => {
    covered.add("grantMs");
    const grant = { amount: 1, budget: "search-day", reason: "r", tenant: "acme" };
    const latestMs = own.clock.nowMs() + LIMITS.grantMs;
    expect(LIMITS.grantMs).toBe(366 * DAY_MS);
    await admin.grantBudget({ ...grant, untilMs: latestMs });
    const over = admin.grantBudget({ ...grant, untilMs: latestMs + 1 });
    await expect(over).rejects.toMatchObject({
      code: "admin.invalid",
      message: expect.stringContaining(`until_ms: ${latestMs + 1} is not accepted`) as string,
    });
  });

  test("what is listed", async () => {
    covered.add("listed");
    await admin.getVelocity({ tenant: "acme", top: LIMITS.listed });
    await expect(
      admin.getVelocity({ tenant: "acme", top: LIMITS.listed + 1 }),
    ).rejects.toMatchObject(refusal("top", "1001 is not a whole number from 0 to 1000"));
  });
});

/** Limits that a test beside the code holds, at them and one over. */
const ELSEWHERE: Partial<Record<Limit, string>> = {
  callBytes: "adapters/http/call.test.ts",
  costEvents: "engine/ledger/parse-costs.test.ts",
  ledgerMatches: "engine/ledger/parse-query.test.ts",
  ledgerPage: "engine/ledger/parse-query.test.ts",
  hours: "engine/policy/check-exceptions.test.ts",
  smokeCases: "adapters/bundles/smoke.test.ts",
  sourceChars: "adapters/cli/bundle.test.ts",
  waivers: "engine/policy/check-exceptions.test.ts",
};

test("every limit has its test", () => {
  for (const [name, file] of Object.entries(ELSEWHERE)) {
    expect(readFileSync(join(import.meta.dirname, "../..", file), "utf8")).toContain(
      `LIMITS.${name}`,
    );
    covered.add(name as Limit);
  }
  // How finely a window is counted is no limit on what anybody may send.
  covered.add("rollingBuckets");
  // What a proxy brings has a door of its own: test/envoy/check.test.ts, T7.
  covered.add("proxiedBodyBytes");
  // Nothing is refused at these: adapters/memory/flood.test.ts says what makes room.
  covered.add("scopesPerTenant").add("runsPerTenant");
  expect([...covered].toSorted()).toEqual(Object.keys(LIMITS).toSorted());
});

async function openOther(bundle = SHIPPED_BUNDLE): Promise<Live> {
  const other = await openLive({ flags: { bundle } });
  others.push(other);
  return other;
}

/** A copy of the starter bundle with other data and the digest that goes with it. */
function changedBundle(change: (data: BundleData) => Partial<BundleData>): string {
  const folder = mkdtempSync(join(tmpdir(), "weir-bundle-"));
  folders.push(folder);
  writeBundle(
    folder,
    changedFiles((config) => Object.assign(config, change(config as unknown as BundleData))),
  );
  return folder;
}
