import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it, vi } from "vitest";
import type { Command } from "../command.ts";
import { run } from "./demo.ts";

const folder = mkdtempSync(join(tmpdir(), "weir-demo-command-"));
afterAll(() => rmSync(folder, { force: true, recursive: true }));

/** Runs the command as the command line would; temporary folders go into `folder`. */
async function demo(flags: Readonly<Record<string, string>>, json: boolean) {
  vi.stubEnv("TMPDIR", folder);
  const printed: string[] = [];
  const terminal = {
    color: false,
    cwd: folder,
    env: {},
    note: () => undefined,
    print: (line: string) => void printed.push(line),
    readInput: () => Promise.resolve(""),
  };
  const command = { name: "demo" } as Command;
  try {
    const exit = await run({ command, flags, json, positionals: {}, settings: {}, terminal });
    return { exit, printed };
  } finally {
    vi.unstubAllEnvs();
  }
}

describe("weir demo", () => {
  it("prints one JSON object and leaves nothing behind", async () => {
    const { exit, printed } = await demo({ calls: "40" }, true);
    expect(exit).toBe(0);
    expect(printed).toHaveLength(1);
    const figure = expect.any(Number) as number;
    expect(JSON.parse(printed[0] ?? "")).toEqual({
      calls: 40,
      rejected: figure,
      effects: { allow: figure, reroute: figure, throttle: figure, block: figure },
      reasons: expect.any(Object) as object,
      usd: {
        estimated: figure,
        settled: figure,
        avoided: figure,
        unreported: figure,
        leaked: figure,
      },
      detect_ms: { burst: null, loop: null },
      open_reservations: 0,
      overdrawn_budgets: 0,
      ledger: { entries: figure, verified: true },
      latency_ms: { p50: figure, p99: figure },
    });
    expect(readdirSync(folder)).toEqual([]);
  });

  it("keeps the folder it is given, and tells a person where", async () => {
    const { exit, printed } = await demo({ calls: "40", data: "kept", seed: "2" }, false);
    expect(exit).toBe(0);
    expect(printed.join("\n")).toContain("weir ledger check --data kept");
    expect(readdirSync(join(folder, "kept")).toSorted()).toContain("demo.json");
  });

  it.each([
    [{ seed: "-1" }, "--seed -1 is not accepted; accepted is a whole number from 0 to 4294967295"],
    [{ calls: "0" }, "--calls 0 is not accepted; accepted is a whole number from 1 to 1000000"],
    [{ speed: "fast" }, "--speed fast is not accepted"],
    [{ trace: "none.csv" }, "none.csv: there is no such file"],
  ])("refuses %j", async (flags, message) => {
    await expect(demo(flags, true)).rejects.toThrow(message);
  });
});
