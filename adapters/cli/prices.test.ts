import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { openPriceBook } from "../../engine/pricing/price-book.ts";
import { fakeTerminal } from "./fake-terminal.ts";
import { runWeir } from "./main.ts";

let cwd: string;
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), "weir-prices-"));
});
afterEach(() => rmSync(cwd, { force: true, recursive: true }));

async function weir(...argv: string[]) {
  const terminal = fakeTerminal(cwd);
  const exit = await runWeir(argv, terminal);
  return { exit, noted: terminal.noted.join("\n"), printed: terminal.printed.join("\n") };
}

it("makes a price book of the list that ships", async () => {
  const flags = [
    "--only",
    "openai:gpt-5-mini,anthropic",
    "--since",
    "2026-11-01",
    "--out",
    "p.json",
  ];
  const { exit, printed } = await weir("prices", "import", "genai-prices", ...flags);
  expect(exit).toBe(0);
  expect(printed).toMatch(/^\d+ prices of \d+ models written to p\.json/);
  const book = openPriceBook(JSON.parse(readFileSync(join(cwd, "p.json"), "utf8")));
  const rates = book.rates("openai:gpt-5-mini", "standard", Date.UTC(2026, 10, 25));
  expect(rates?.bands[0]?.price).toMatchObject({
    cache_read: 25_000n,
    input: 250_000n,
    output: 2_000_000n,
  });
  expect(book.rates("openai:gpt-5", "standard", Date.UTC(2026, 10, 25))).toBe(null);
});

it("refuses what is no list of prices, and writes nothing", async () => {
  writeFileSync(join(cwd, "cut.json"), '{"gpt-5": {');
  writeFileSync(join(cwd, "other.json"), '{"gpt-5": 3}');
  const cases: readonly (readonly [readonly string[], string])[] = [
    [["none.json"], "cannot read none.json: ENOENT; accepted is a file, or genai-prices"],
    [["cut.json"], "cut.json is not valid JSON"],
    [["other.json"], "other.json is neither of what is accepted"],
    [["genai-prices", "--only", "nobody"], "genai-prices holds no price of what is asked for"],
    [["genai-prices", "--since", "2026-02-30"], "--since 2026-02-30 is not a day"],
  ];
  for (const [flags, wanted] of cases) {
    const { exit, noted } = await weir("prices", "import", ...flags, "--out", "p.json");
    expect(exit).not.toBe(0);
    expect(noted).toContain(wanted);
  }
  expect(readdirSync(cwd)).toEqual(["cut.json", "other.json"]);
});
