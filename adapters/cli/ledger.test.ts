import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadConfig } from "../config.ts";
import { readLog } from "../embedded/segments.ts";
import { connect } from "../grpc/client.ts";
import { createKey } from "../keys/keys.ts";
import { type Service, startService } from "../serve.ts";
import { SteppedClock } from "../system/clock.ts";
import { fakeTerminal } from "./fake-terminal.ts";
import { runWeir } from "./main.ts";

// Goal: what a FinOps person types is answered from what callers did, by the service that runs.
// Method: a service on a folder of its own, asked over gRPC by the command line.

const START_MS = Date.UTC(2026, 10, 25, 12);
let cwd: string;
let service: Service;
let clock: SteppedClock;
beforeEach(async () => {
  cwd = mkdtempSync(join(tmpdir(), "weir-ledger-"));
  clock = new SteppedClock(START_MS);
  await start();
});
afterEach(async () => {
  await service.stop();
  rmSync(cwd, { recursive: true });
});

async function start(): Promise<void> {
  const flags = { "grpc-listen": "127.0.0.1:0", "http-listen": "127.0.0.1:0" };
  service = await startService(await loadConfig({ flags, env: {}, cwd }), { clock });
}

const weir = async (argv: readonly string[], key?: string) => {
  const server = { WEIR_SERVER: `127.0.0.1:${service.grpc.port}` };
  const terminal = fakeTerminal(cwd, key === undefined ? server : { ...server, WEIR_KEY: key });
  const exit = await runWeir(argv, terminal);
  return { exit, noted: terminal.noted.join("\n"), printed: terminal.printed.join("\n") };
};
const json = async (...argv: string[]) => JSON.parse((await weir([...argv, "--json"])).printed);

interface Call {
  readonly id: string;
  readonly operation?: number;
  readonly attempt?: number;
  readonly run?: string;
  readonly team?: string;
  readonly usage?: { readonly input: number; readonly output: number };
}

/** One decided call, reported where it says a usage; resolves to the decision's id. */
async function call({ attempt = 1, id, operation = 1, run, team = "search", usage }: Call) {
  const client = connect({ address: `127.0.0.1:${service.grpc.port}` });
  try {
    const decision = await client.decide({
      attempt: { number: attempt, reason: attempt > 1 ? "invalid_output" : "" },
      attribution: {
        costCenter: "cc-100",
        environment: "prod",
        feature: "answers",
        service: "search-api",
        team,
        tenant: "acme",
      },
      data: { sensitivity: 2 },
      id,
      model: operation === 3 ? "openai:text-embedding-3-small" : "openai:gpt-5-mini",
      operation,
      ...(run === undefined ? {} : { run: { id: run, step: 1 } }),
      task: "chat",
      tokens: { input: 1_000, outputMax: operation === 3 ? 0 : 500 },
    });
    if (usage !== undefined) {
      await client.report({ decisionId: decision.id, final: true, outcome: 1, usage });
    }
    return decision.id;
  } finally {
    client.close();
  }
}

const USAGE = { input: 1_000, output: 200 };
/** 1,000 tokens at $0.25 and 200 at $2 a million. */
const COST = "650000000";

describe("ledger summary", () => {
  it("groups what was spent, with the cost of a call", async () => {
    expect((await weir(["ledger", "summary"])).printed).toBe("no entries: nothing was spent there");
    for (const id of ["a", "b"]) await call({ id, usage: USAGE });
    const { printed } = await weir(["ledger", "summary"]);
    const [head = "", row = "", total = ""] = printed.split("\n");
    expect(head).toMatch(
      /^TEAM +MODEL +COST +SHARE +CALLS +TOKENS +PER CALL +PER OK CALL +PER MTOK$/,
    );
    expect(row).toMatch(/^search +openai:gpt-5-mini +\$0\.0013 +100\.0% +2 +2,400 +\$0\.00065/);
    expect(total).toMatch(/^total +\$0\.0013/);
    expect(printed).toContain("names no team");
    expect(printed).toContain("team 100.0%");
    const { groups } = await json("ledger", "summary", "--by", "layer", "--each", "day");
    expect(groups).toEqual([
      expect.objectContaining({
        calls: 2,
        cost_pico_usd: "1300000000",
        cost_usd: "0.0013",
        day: "2026-11-25",
        layer: "inference",
        ok_calls: 2,
        pico_usd_per_call: COST,
      }),
    ]);
  });

  it("keeps what was spent over a restart, and filters it", async () => {
    await call({ id: "a", usage: USAGE });
    await service.stop();
    await start();
    await call({ id: "b", usage: USAGE });
    const { total } = await json("ledger", "summary", "--where", "team=search");
    expect(total.calls).toBe(2);
    expect((await json("ledger", "summary", "--where", "team=support")).total.calls).toBe(0);
    expect((await json("ledger", "summary", "--to", "2026-11-25T12:00Z")).total.calls).toBe(0);
    expect((await json("ledger", "summary", "--month", "2026-11", "--scan")).total).toEqual(total);
  });

  it("refuses what makes no sense with one clear error", async () => {
    const cases: readonly (readonly [readonly string[], string])[] = [
      [["--by", "teem"], "--by teem is no field; the nearest one is team"],
      [["--each", "week"], "--each week is not accepted; accepted are hour, day, month"],
      [["--where", "team"], "--where team is not of the form FIELD=VALUE"],
      [["--month", "2026-13"], "--month 2026-13 is not of the form YYYY-MM"],
      [["--from", "soon"], "--from soon is not a time"],
      [["--from", "2026-11-25T12:30Z"], "is not a whole hour; sums are by the hour"],
      [["--from", "2026-11-25", "--to", "2026-11-24"], "is not after from_ms"],
    ];
    for (const [flags, wanted] of cases) {
      const { exit, noted, printed } = await weir(["ledger", "summary", ...flags]);
      expect(exit).not.toBe(0);
      expect(printed).toBe("");
      expect(noted).toContain(wanted);
    }
  });
});

describe("ledger list and show", () => {
  it("list entries page by page, the latest first", async () => {
    for (const id of ["a", "b", "c"]) {
      await call({ id, usage: USAGE });
      clock.advance(1_000);
    }
    const whole = await json("ledger", "list");
    expect(whole.entries).toHaveLength(6);
    expect(whole.next_page).toBe("");
    const seen: string[] = [];
    for (let page = ""; ;) {
      const flags = page === "" ? [] : ["--page", page];
      const part = await json("ledger", "list", "--limit", "4", ...flags);
      seen.push(...part.entries.map((one: { id: string }) => one.id));
      page = part.next_page;
      if (page === "") break;
    }
    expect(seen).toEqual(whole.entries.map((one: { id: string }) => one.id));
    const settled = await json("ledger", "list", "--kind", "settled", "--oldest");
    expect(settled.entries.map((one: { cost_pico_usd: string }) => one.cost_pico_usd)).toEqual([
      COST,
      COST,
      COST,
    ]);
    const bad = await weir(["ledger", "list", "--page", "x"]);
    expect(bad.noted).toContain('page_token: "x" is not the token of a page');
  });

  it("show one decision to its end", async () => {
    const id = await call({ id: "a", usage: USAGE });
    const { printed } = await weir(["ledger", "show", id]);
    expect(printed).toContain(`ALLOW  ${id}`);
    expect(printed).toContain("exactly 0.00065 USD");
    expect(printed).toMatch(/settled +1,200 +\$0\.00065 +provider +openai:gpt-5-mini@/);
    const none = await weir(["ledger", "show", "d0"]);
    expect(none).toMatchObject({ exit: 1, noted: "weir: no decision d0" });
  });
});

describe("run show", () => {
  it("gives a run's cost by layer and how often its first inference", async () => {
    await call({ id: "a", run: "r1", usage: USAGE });
    await call({ attempt: 2, id: "a", run: "r1", usage: USAGE });
    const answer = await json("run", "show", "r1");
    expect(answer).toMatchObject({
      amplification: "2.00",
      decisions: 2,
      first_inference_pico_usd: COST,
      tenant: "acme",
    });
    expect(answer.layers.map(({ layer }: { layer: string }) => layer)).toEqual([
      "inference",
      "orchestration",
    ]);
    expect((await weir(["run", "show", "r1"])).printed).toContain("the run cost 2.00 times that");
    expect((await weir(["run", "show", "r9"])).noted).toBe("weir: no run r9");
  });
});

describe("ledger import", () => {
  const event = (id: string, more: object = {}) => ({
    data: {
      attribution: { team: "search" },
      cost_usd: "0.42",
      layer: "retrieval_embedding",
      product: "qdrant:queries",
      tenant: "acme",
      ...more,
    },
    id,
    source: "qdrant/prod",
    specversion: "1.0",
    time: "2026-11-25T11:00:00Z",
    type: "weir.cost.v1",
  });
  const write = (name: string, ...events: readonly object[]): void =>
    writeFileSync(join(cwd, name), events.map((one) => JSON.stringify(one)).join("\n"));

  it("takes in costs that no model call caused, once by source and id", async () => {
    await call({ id: "a", run: "r1", usage: USAGE });
    write("costs.ndjson", event("1"), event("2", { run: "r1" }), event("1"));
    expect((await weir(["ledger", "import", "costs.ndjson"])).printed).toBe(
      "2 costs taken into the ledger; 1 were there already",
    );
    expect(await json("ledger", "import", "costs.ndjson")).toEqual({ duplicates: 3, imported: 0 });
    const { groups } = await json("ledger", "summary", "--by", "layer,basis,model");
    expect(groups[0]).toMatchObject({
      basis: "imported",
      cost_usd: "0.84",
      layer: "retrieval_embedding",
      model: "qdrant:queries",
    });
    const { layers } = await json("run", "show", "r1");
    expect(layers.map(({ layer }: { layer: string }) => layer)).toEqual([
      "inference",
      "retrieval_embedding",
    ]);
    await service.stop();
    await start();
    expect(await json("ledger", "import", "costs.ndjson")).toEqual({ duplicates: 3, imported: 0 });
  });

  it("refuses a file with anything wrong in it, and takes none of it", async () => {
    write("bad.ndjson", event("1"), event("2", { currency: "EUR" }), event("3", { costs: "1" }));
    const { noted } = await weir(["ledger", "import", "bad.ndjson"]);
    expect(noted).toContain('events[1].data.currency: "EUR" is not accepted; accepted is "USD"');
    expect(noted).toContain(
      "events[2].data.costs: unknown field; the nearest valid one is cost_usd",
    );
    write("wrong.ndjson", event("1"), event("2", { cost_usd: 0.1 }));
    expect((await weir(["ledger", "import", "wrong.ndjson"])).noted).toContain(
      "events[1].data.cost_usd: 0.1 is not text; accepted is text",
    );
    writeFileSync(join(cwd, "cut.ndjson"), `${JSON.stringify(event("1"))}\n{"specver`);
    expect((await weir(["ledger", "import", "cut.ndjson"])).noted).toContain(
      "cut.ndjson, line 2: not valid JSON",
    );
    expect((await json("ledger", "summary")).total.entries).toBe(0);
  });
});

describe("ledger close", () => {
  it("fixes a month: a late report is a correction of the month it comes in", async () => {
    const late = await call({ id: "late" });
    await call({ id: "a", usage: USAGE });
    const early = await weir(["ledger", "close", "2026-11", "--tenant", "acme", "--why", "done"]);
    expect(early.noted).toContain("month: 2026-11 is not over");
    clock.set(Date.UTC(2026, 11, 1, 9));
    const closed = await json("ledger", "close", "2026-11", "--tenant", "acme", "--why", "done");
    expect(closed).toMatchObject({ actor: "local", cost_pico_usd: COST, month: "2026-11" });
    await reported(late);
    const again = await json("ledger", "close", "2026-11", "--tenant", "acme", "--why", "again");
    expect(again).toEqual(closed);
    const november = await json("ledger", "summary", "--month", "2026-11");
    expect(november.total.cost_pico_usd).toBe(COST);
    const december = await json("ledger", "summary", "--month", "2026-12");
    expect(december.total.cost_pico_usd).toBe(COST);
  });
});

async function reported(decisionId: string): Promise<void> {
  const client = connect({ address: `127.0.0.1:${service.grpc.port}` });
  await client.report({ decisionId, final: true, outcome: 1, usage: USAGE });
  client.close();
}

describe("who may read", () => {
  it("readers and auditors do, callers do not, and an auditor's read is in the log", async () => {
    await call({ id: "a", usage: USAGE });
    const keyOf = async (principal: string) => {
      const made = { note: "", now: START_MS, principal };
      return (await createKey(join(cwd, "weir-data"), made)).secret;
    };
    const reader = await keyOf("finance");
    const auditor = await keyOf("audit");
    const caller = await keyOf("search-service");
    await service.stop();
    await start();
    expect((await weir(["ledger", "list"], reader)).exit).toBe(0);
    expect((await weir(["ledger", "list", "--limit", "3"], auditor)).exit).toBe(0);
    const refused = await weir(["ledger", "list"], caller);
    expect(refused.noted).toBe(
      "weir: principal search-service is no reader, auditor, operator of tenant acme",
    );
    const close = ["ledger", "close", "2026-10", "--tenant", "acme", "--why", "x"];
    expect((await weir(close, reader)).noted).toContain("principal finance is no operator");
    const lines = [...readLog(join(cwd, "weir-data/log"))].map(({ line }) => line);
    expect(lines.filter(({ kind }) => kind === "read")).toEqual([
      expect.objectContaining({ actor: "audit", method: "list" }),
    ]);
  });
});
