import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { asyncBufferFromFile, parquetReadObjects } from "hyparquet";
import { afterAll, beforeAll, expect, test } from "vitest";

import { fakeTerminal } from "../../adapters/cli/fake-terminal.ts";
import { runWeir } from "../../adapters/cli/main.ts";
import { loadConfig } from "../../adapters/config.ts";
import { connect } from "../../adapters/grpc/client.ts";
import { type Service, startService } from "../../adapters/serve.ts";
import { SteppedClock } from "../../adapters/system/clock.ts";
import { picoFromUsd } from "../../engine/money.ts";
import { providePython } from "../support/peer.ts";

// Goal: an export holds what the ledger holds, to the unit, in forms that other programs read.
// Method: calls of every kind through a service; each form is read back by somebody else's code, and
// the FOCUS one is judged by the validator of the FinOps Foundation.

let cwd: string;
let service: Service;
beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), "weir-export-"));
  const clock = new SteppedClock(Date.UTC(2026, 10, 25, 12));
  const flags = { "grpc-listen": "127.0.0.1:0", "http-listen": "127.0.0.1:0" };
  service = await startService(await loadConfig({ cwd, env: {}, flags }), { clock });
  await call({ id: "plain", usage: { input: 1_000, output: 200 } });
  await call({
    id: "cached",
    usage: { cacheRead: 700, input: 1_000, output: 333, reasoning: 111 },
  });
  clock.advance(3_600_000);
  await call({ id: "odd", feature: 'a "quoted", word', usage: { input: 7, output: 3 } });
  await call({ id: "embedded", operation: 3, usage: { input: 999 } });
  await call({
    id: "written",
    model: "anthropic:claude-haiku-4-5",
    usage: { cacheWrite_5m: 500, input: 900, output: 20 },
  });
  await call({ id: "open" });
});
afterAll(async () => {
  await service?.stop();
  rmSync(cwd, { force: true, recursive: true });
});

interface Call {
  readonly id: string;
  readonly model?: string;
  readonly operation?: number;
  readonly feature?: string;
  readonly usage?: Readonly<Record<string, number>>;
}

async function call({ feature = "answers", id, model, operation = 1, usage }: Call): Promise<void> {
  const client = connect({ address: `127.0.0.1:${service.grpc.port}` });
  try {
    const asked = operation === 3 ? "openai:text-embedding-3-small" : "openai:gpt-5-mini";
    const decision = await client.decide({
      attribution: {
        costCenter: "cc-100",
        environment: "prod",
        feature,
        service: "search-api",
        team: "search",
        tenant: "acme",
      },
      data: { sensitivity: 2 },
      id,
      model: model ?? asked,
      operation,
      task: "chat",
      tokens: { input: 1_000, outputMax: operation === 3 ? 0 : 500 },
    });
    expect(decision.effect, id).toBeLessThanOrEqual(2);
    if (usage === undefined) return;
    await client.report({ decisionId: decision.id, final: true, outcome: 1, usage });
  } finally {
    client.close();
  }
}

async function weir(...argv: string[]) {
  const terminal = fakeTerminal(cwd, { WEIR_SERVER: `127.0.0.1:${service.grpc.port}` });
  const exit = await runWeir(argv, terminal);
  return { exit, noted: terminal.noted.join("\n"), printed: terminal.printed };
}

async function total(): Promise<bigint> {
  const { printed } = await weir("ledger", "summary", "--json");
  return BigInt(JSON.parse(printed.join("")).total.cost_pico_usd);
}

const sumUsd = (costs: readonly string[]): bigint =>
  costs.reduce((sum, cost) => sum + (picoFromUsd(cost) ?? (Number.NaN as never)), 0n);

async function readParquet(name: string) {
  return parquetReadObjects({ file: await asyncBufferFromFile(join(cwd, name)) });
}

test("entries go to NDJSON, CSV and Parquet, each with the whole cost", async () => {
  const { printed } = await weir("ledger", "export", "-");
  const entries = printed.map((line) => JSON.parse(line));
  expect(sumUsd(entries.map(({ cost_usd }) => cost_usd))).toBe(await total());
  expect(entries[0]).toMatchObject({ at: "2026-11-25T12:00:00Z", kind: "reserved", user: "" });

  const wrote = await weir("ledger", "export", "all.csv");
  expect(wrote.printed).toEqual([`${entries.length} rows written to all.csv`]);
  const [head = "", ...lines] = readFileSync(join(cwd, "all.csv"), "utf8").trimEnd().split("\r\n");
  expect(head.split(",")).toEqual(Object.keys(entries[0]));
  expect(lines).toHaveLength(entries.length);
  expect(lines.join("\n")).toContain('"a ""quoted"", word"');

  await weir("ledger", "export", "all.parquet");
  const rows = await readParquet("all.parquet");
  expect(rows.map(({ id }) => id)).toEqual(entries.map(({ id }) => id));
  expect(rows[0]?.["at"]).toEqual(new Date("2026-11-25T12:00:00Z"));
  expect(rows.map(({ input }) => Number(input))).toEqual(entries.map(({ input }) => input));

  const some = await weir(
    "ledger",
    "export",
    "-",
    "--kind",
    "settled",
    "--where",
    "feature=answers",
  );
  expect(some.printed).toHaveLength(4);
});

test("charges in FOCUS add up to the ledger, a row for every class of tokens", async () => {
  await weir("ledger", "export", "focus.ndjson", "--focus");
  const text = readFileSync(join(cwd, "focus.ndjson"), "utf8");
  const rows = text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(sumUsd(rows.map(({ BilledCost }) => BilledCost))).toBe(await total());
  expect(rows.reduce((sum, { x_Requests }) => sum + x_Requests, 0)).toBe(5);
  const cached = rows.find(({ SkuMeter }) => SkuMeter === "Cache Read Input Tokens");
  expect(cached).toMatchObject({
    ChargePeriodEnd: "2026-11-25T13:00:00Z",
    ChargePeriodStart: "2026-11-25T12:00:00Z",
    ConsumedQuantity: "700",
    ListCost: "0.0000175",
    ListUnitPrice: "0.025",
    PricingQuantity: "0.0007",
    SkuId: "openai:gpt-5-mini:cache_read",
    SkuPriceDetails:
      '{"x_ModelId":"openai:gpt-5-mini","x_TokenDirection":"Input","x_TokenCacheAction":"Read","x_ServiceTier":"standard"}',
    SubAccountId: "acme",
    Tags: '{"team":"search","feature":"answers","service":"search-api","cost_center":"cc-100","environment":"prod"}',
  });
});

test("what cannot be written is one clear error, and no half of a file", async () => {
  const cases: readonly (readonly [readonly string[], string])[] = [
    [["out.xlsx"], "the name out.xlsx ends in none of .csv, .ndjson, .parquet"],
    [["-", "--as", "parquet"], "Parquet goes to a file"],
    [["x.csv", "--each", "day"], "--each goes with --focus only"],
    [["x.csv", "--focus", "--each", "week"], "--each week is not accepted; accepted are hour, day"],
    [["x.csv", "--where", "team"], "--where team is not of the form FIELD=VALUE"],
    [["x.csv", "--from", "2026-11-25", "--to", "2026-11-24"], "is not after from_ms"],
  ];
  for (const [flags, wanted] of cases) {
    const { exit, noted } = await weir("ledger", "export", ...flags);
    expect(exit).not.toBe(0);
    expect(noted).toContain(wanted);
  }
  expect(readdirSync(cwd).filter((name) => name.startsWith("x.csv"))).toEqual([]);
});

/** Of the criteria that a provider may meet, those that apply to calls of models. */
const CRITERIA = [
  "ACCOUNT_NAMING_SUPPORTED",
  "MULTIPLE_PRICING_CATEGORIES_SUPPORTED",
  "NEGOTIATED_PRICING_SUPPORTED",
  "PUBLIC_PRICE_LIST_SUPPORTED",
  "SUB_ACCOUNT_SUPPORTED",
  "TAGGING_SUPPORTED",
  "UNIT_PRICING_SUPPORTED",
  "USAGE_MEASUREMENT_SUPPORTED",
];

/**
 * "MUST NOT be null when there is an invoice", beside "MUST be null when there is none": which of them a
 * row is under cannot be seen in it, so the validator asks for both of every row.
 */
const CONTRADICTION = "InvoiceId-C-005-C";

test("the validator of FOCUS 1.2 finds nothing", { timeout: 900_000 }, async () => {
  // It asks for Python 3.12 and runs on what Debian has; newer pyarrow wants another numpy than it does.
  const validator = ["--ignore-requires-python", "focus-validator==2.0.1", "pyarrow==18.1.0"];
  const python = providePython(validator);
  const where = "import sysconfig; print(sysconfig.get_path('purelib'))";
  // It looks for its table of currencies below the folder it runs in.
  const packages = spawnSync(python, ["-c", where], { encoding: "utf8" }).stdout.trim();
  for (const name of ["focus.csv", "focus.parquet"]) {
    const written = await weir("ledger", "export", name, "--focus", "--numbers", "float64");
    expect(written.exit).toBe(0);
    const report = join(cwd, `${name}.xml`);
    const done = spawnSync(
      python,
      [
        "-m",
        "focus_validator.main",
        "--data-file",
        join(cwd, name),
        "--validate-version",
        "1.2",
        "--block-download",
        "--applicability-criteria",
        CRITERIA.join(","),
        "--output-type",
        "unittest",
        "--output-destination",
        report,
      ],
      { cwd: packages, encoding: "utf8" },
    );
    expect(existsSync(report), done.stderr).toBe(true);
    const failed = [...readFileSync(report, "utf8").matchAll(/<failure name="([^"]*)"/g)];
    expect(failed.map(([, rule]) => rule)).toEqual([CONTRADICTION]);
  }
});
