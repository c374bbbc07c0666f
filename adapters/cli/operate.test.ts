import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadConfig } from "../config.ts";
import { type Service, startService } from "../serve.ts";
import { SteppedClock } from "../system/clock.ts";
import { fakeTerminal } from "./fake-terminal.ts";
import { runWeir } from "./main.ts";

const ALLOW = join(import.meta.dirname, "../../examples/allow.json");
const AGENT = join(import.meta.dirname, "../../examples/agent-step.json");

let cwd: string;
let service: Service;
let clock: SteppedClock;
beforeEach(async () => {
  cwd = mkdtempSync(join(tmpdir(), "weir-operate-"));
  clock = new SteppedClock(Date.UTC(2026, 10, 25, 12));
  const flags = { "grpc-listen": "127.0.0.1:0", "http-listen": "127.0.0.1:0" };
  service = await startService(await loadConfig({ flags, env: {}, cwd }), { clock });
});
afterEach(async () => {
  await service.stop();
  rmSync(cwd, { recursive: true });
});

const weir = async (...argv: string[]) => {
  const terminal = fakeTerminal(cwd, { WEIR_SERVER: `127.0.0.1:${service.grpc.port}` });
  const exit = await runWeir(argv, terminal);
  return { exit, printed: terminal.printed.join("\n"), noted: terminal.noted.join("\n") };
};
const json = async (...argv: string[]) => JSON.parse((await weir(...argv, "--json")).printed);
const ACME = ["--tenant", "acme"];

describe("freeze", () => {
  it("stops a scope, lists it, lets it go", async () => {
    expect((await weir("freeze", "list")).printed).toBe("nothing is frozen");
    const frozen = await weir("freeze", "team:search", ...ACME, "--why", "runaway agent");
    expect(frozen).toEqual({
      exit: 0,
      noted: "",
      printed: [
        "FROZEN  team:search of tenant acme",
        "  why   runaway agent",
        "  next  its calls are blocked from now on, in shadow too; to lift it: weir unfreeze team:search --tenant acme --why TEXT",
      ].join("\n"),
    });
    expect((await weir("decide", ALLOW)).printed).toContain(
      "freeze.active  team:search is frozen: runaway agent",
    );
    const slip = await weir("freeze", "team:serch", ...ACME, "--why", "runaway agent");
    expect(slip.printed).toContain("FROZEN  team:serch of tenant acme");
    expect(slip.noted).toBe(
      "the policy bundle has no team:serch of tenant acme: if the name is wrong, nothing is stopped",
    );
    await weir("unfreeze", "team:serch", ...ACME, "--why", "a slip");
    const again = await weir("freeze", "team:search", ...ACME, "--why", "still");
    expect(again.printed).toContain("(it was frozen before; this is the reason now)");
    await weir("freeze", "*", "--tenant", "*", "--why", "incident");
    const [head, ...rows] = (await weir("freeze", "list")).printed.split("\n");
    expect(head).toMatch(/^TENANT {2}SCOPE {8}FOR {2,}BY {5}WHY$/);
    expect(rows.toSorted()).toEqual([
      expect.stringMatching(/^\* {7}\* {12}.+ {2}local {2}incident$/),
      expect.stringMatching(/^acme {4}team:search {2}.+ {2}local {2}still$/),
    ]);
    expect(await json("freeze", "list", ...ACME)).toMatchObject({
      freezes: [
        { actor: "local", at_ms: clock.nowMs(), reason: expect.any(String) as string },
        { actor: "local" },
      ],
    });
    const free = await weir("unfreeze", "team:search", ...ACME, "--why", "fixed");
    expect(free.printed).toBe("FREE  team:search of tenant acme\n  why  fixed");
    expect((await weir("unfreeze", "team:search", ...ACME, "--why", "x")).printed).toBe(
      'team:search of tenant acme was not frozen; "weir freeze list" shows what is',
    );
    expect(await json("unfreeze", "*", "--tenant", "*", "--why", "over")).toMatchObject({
      frozen: false,
      scope: "*",
      was_frozen: true,
    });
  });

  it("says what is wrong, in text and as JSON", async () => {
    const wrong = ["freeze", "teem:x", ...ACME, "--why", "y"];
    const { exit, noted } = await weir(...wrong);
    expect([exit, noted]).toEqual([
      1,
      'weir: freeze refused: scope: "teem:x" is of no known kind; accepted are *, tenant:…, model:…, run:…, team:…, feature:…, service:…, user:…, cost_center:…, environment:…, customer:…',
    ]);
    expect(await json(...wrong)).toMatchObject({
      error: { code: "admin.invalid", violations: [{ field: "scope" }] },
    });
    expect(await weir("freeze", "team:x", ...ACME)).toMatchObject({
      exit: 2,
      noted: expect.stringContaining("freeze needs --why TEXT") as string,
    });
    await service.stop();
    const gone = await weir("freeze", "list");
    expect([gone.exit, gone.noted]).toEqual([
      1,
      `weir: no service answers at 127.0.0.1:${service.grpc.port}; start one with "weir start"`,
    ]);
  });
});

describe("budget", () => {
  it("lists what is used, aligned", async () => {
    await weir("decide", AGENT);
    const { printed } = await weir("budget", "list", ...ACME);
    const lines = printed.split("\n");
    expect(lines[0]).toMatch(/^BUDGET +OF +WINDOW +USED +LEFT +HELD +CHARGED +LIMIT +ENDS IN$/);
    const cells = (id: string) =>
      lines
        .find((line) => line.startsWith(`${id} `))
        ?.split(/ {2,}/)
        .map((cell) => cell.trim());
    expect(cells("assistants-user-day")).toEqual(
      ["assistants-user-day", "user u-77", "day in UTC", "<1%", "$24.92", "$0.075", "$0.00"].concat(
        ["$25.00", "12 h"],
      ),
    );
    expect(cells("research-tokens-day")?.slice(3)).toEqual([
      "200,000,000 tokens",
      "0 tokens",
      "0 tokens",
      "200,000,000 tokens",
      "12 h",
    ]);
    const widths = lines.map((line) => line.indexOf("%"));
    expect(new Set(widths.filter((at) => at >= 0)).size).toBe(1);
  });

  it("grants, and shows one with its grants", async () => {
    await weir("decide", ALLOW);
    const until = "2026-11-25T14:00Z";
    const grant = ["budget", "grant", "search-day", ...ACME, "--until", until];
    const granted = await weir(...grant, "--amount", "250", "--why", "launch day");
    expect(granted.exit).toBe(0);
    expect(granted.printed).toMatch(
      /^GRANTED {2}\$250\.00 on search-day of tenant acme\n {2}until {2}2026-11-25T14:00:00\.000Z \(.*\)\n {2}limit {2}\$400\.00 → \$650\.00, of every instance\n {2}why {4}launch day\n {2}grant {2}g[0-9a-f]{32}$/,
    );
    expect((await weir("budget", "show", "search-day", ...ACME)).printed).toBe(
      [
        "search-day",
        "  limit  $400.00 a day in UTC",
        "  calls  team search",
        "  mode   hard: what does not fit is blocked",
        "",
        "BUDGET      WINDOW      USED     LEFT     HELD  CHARGED    LIMIT  ENDS IN",
        "search-day  day in UTC   <1%  $649.99  $0.0013    $0.00  $650.00     12 h",
        "",
        "GRANT       ADDS     FOR ANOTHER  BY     WHY",
        "search-day  $250.00  2 h          local  launch day",
      ].join("\n"),
    );
    expect(await json("budget", "show", "search-day", ...ACME)).toMatchObject({
      budgets: [{ id: "search-day", limit: 400_000_000, match: { team: ["search"] } }],
      grants: [{ amount: 250_000_000, budget: "search-day", until_ms: Date.parse(until) }],
      instances: [{ granted: 250_000_000, limit: 650_000_000, used_percent: 1 }],
      tenant: "acme",
    });
    expect(await json(...grant, "--amount", "1", "--why", "x")).toMatchObject({
      amount: 1_000_000,
      limit_after: 651_000_000,
      limit_before: 650_000_000,
    });
  });

  it("says what is wrong with a grant", async () => {
    const grant = async (...change: string[]) =>
      (await weir("budget", "grant", "search-day", ...ACME, "--why", "x", ...change)).noted;
    expect(await grant("--amount", "-5", "--until", "2h")).toMatch(/^weir: --amount -5 is not an/);
    expect(await grant("--amount", "5", "--until", "soon")).toMatch(
      /^weir: --until soon is neither/,
    );
    const until = ["--until", "2026-11-25T14:00Z"];
    expect(await grant("--amount", "5tokens", ...until)).toBe(
      "weir: grant refused: unit: budget search-day is in usd, not in tokens",
    );
    expect(await grant("--amount", "0", ...until)).toMatch(
      /^weir: grant refused: amount: 0 is not a whole number from 1/,
    );
    expect(await grant("--amount", "5", "--until", "2026-11-25")).toContain("until_ms");
    expect((await weir("budget", "show", "x", ...ACME)).noted).toMatch(
      /^weir: budget refused: budget: tenant acme has no budget x; it has acme-month, /,
    );
    expect((await weir("budget", "list", "--tenant", "y")).printed).toBe("tenant y has no budget");
  });
});

describe("velocity", () => {
  it("shows the busiest scopes", async () => {
    expect((await weir("velocity", "top", ...ACME)).printed).toBe(
      "tenant acme spent nothing in the last hour",
    );
    await weir("decide", ALLOW);
    clock.advance(2_500);
    const { printed } = await weir("velocity", "top", ...ACME, "--top", "3");
    const lines = printed.split("\n");
    expect(lines[0]).toBe(
      "SCOPE            IN FLIGHT  IN THE LAST  CALLS   SPENT    LIMIT  OF LIMIT  OF USUAL  STATE",
    );
    expect(lines).toHaveLength(7);
    expect(lines.slice(1).every((line) => line.endsWith("  learning"))).toBe(true);
    expect(await json("velocity", "top", ...ACME, "--top", "1")).toMatchObject({
      now_ms: clock.nowMs(),
      scopes: [{ in_flight: 1, windows: [{ window: "1s" }, { calls: 1 }, { armed: false }] }],
    });
    expect((await weir("velocity", "top", ...ACME, "--top", "0")).noted).toContain(
      "--top 0 is not a whole number from 1 to 1000",
    );
  });
});
