import { cpSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadConfig } from "../../config.ts";
import { checkLedger } from "../../serve/ledger-check.ts";
import { SHIPPED_TRACE } from "./host.ts";
import { mapCalls } from "./mapping.ts";
import { isSound, toJson, toText } from "./report.ts";
import { runDemo, type RunResult, type Watcher } from "./run.ts";
import { readTrace } from "./trace.ts";
import { styleOf } from "../style.ts";

const folder = mkdtempSync(join(tmpdir(), "weir-demo-test-"));
afterAll(() => rmSync(folder, { force: true, recursive: true }));

const UNWATCHED: Watcher = {
  opened: () => undefined,
  warmedUp: () => undefined,
  moving: () => undefined,
  answered: () => undefined,
  closing: () => undefined,
};
const CALLS = 400;

async function demo(name: string, seed = 1): Promise<RunResult> {
  const trace = await readTrace(SHIPPED_TRACE, CALLS);
  const onFault = (error: Error) => expect.unreachable(String(error));
  return runDemo({ data: join(folder, name), onFault, seed, trace }, UNWATCHED);
}

/** What is printed, without what the machine decides. */
function printed(result: RunResult): Record<string, unknown> {
  const { latency_ms: _, ...rest } = JSON.parse(toJson(result)) as Record<string, unknown>;
  return rest;
}

describe("the mapping", () => {
  it("draws the same calls from the same seed, and others from another", async () => {
    const trace = await readTrace(SHIPPED_TRACE, CALLS);
    expect(mapCalls(trace, 7)).toEqual(mapCalls(trace, 7));
    expect(mapCalls(trace, 7)).not.toEqual(mapCalls(trace, 8));
  });

  it("keeps the trace's number of calls, times and tokens, but for retries, which repeat a call", async () => {
    const trace = await readTrace(SHIPPED_TRACE, CALLS);
    const calls = mapCalls(trace, 1);
    expect(calls).toHaveLength(CALLS);
    calls.forEach((call, index) => {
      expect(call.atMs - (calls[0]?.atMs ?? 0)).toBe(trace[index]?.offsetMs);
      if (call.intent.attempt !== undefined) return;
      expect([call.inputTokens, call.outputTokens]).toEqual([
        trace[index]?.inputTokens,
        trace[index]?.outputTokens,
      ]);
    });
  });
});

describe("the demo over gRPC", () => {
  let first: RunResult;
  beforeAll(async () => {
    first = await demo("first");
  });

  it("decides the same again", async () => {
    expect(printed(await demo("second"))).toEqual(printed(first));
  });

  it("adds up, and keeps its promises", () => {
    const { total } = first.tally;
    const { allow, block, reroute, throttle } = total.effects;
    expect(allow + reroute + throttle + block + total.rejected).toBe(CALLS);
    expect(Math.min(allow, reroute, throttle, block, total.rejected)).toBeGreaterThan(0);
    expect(first.tally.reasons.length).toBeGreaterThanOrEqual(10);
    expect(first.latencies).toHaveLength(CALLS - total.rejected);
    expect(first.check.problems).toEqual([]);
    expect(first.openReservations).toBe(0);
    expect(isSound(first)).toBe(true);
    for (const member of ["estimated", "settled", "avoided", "unreported"] as const) {
      const sum = first.tally.teams.reduce((money, { usd }) => money + usd[member], 0n);
      expect(sum).toBe(total.usd[member]);
      expect(sum).toBeGreaterThan(0n);
    }
  });

  it("stops the burst and the loop", () => {
    const { burst, loop } = first.tally;
    for (const stop of [burst, loop]) {
      expect(stop.detectMs).toBeGreaterThan(0);
      expect(stop.leaked).toBeGreaterThan(0n);
      expect(stop.admittedBefore).toBeLessThan(stop.calls);
    }
  });

  it("says so for a person, in the width there is", () => {
    const layout = { style: styleOf(false), width: 100 };
    const text = toText(first, { kept: null, seed: 1, warmUpCalls: first.warmUpCalls }, layout);
    expect(text).toContain("the ledger verifies");
    for (const { code } of first.tally.reasons) expect(text).toContain(code);
    for (const line of text.split("\n")) expect(line.length, line).toBeLessThanOrEqual(110);
  });

  it.each([0.3, 0.75, 0.97])(
    "goes on where a killed run's log ends, after %d of it, and comes out the same",
    async (part) => {
      const name = `killed-${part}`;
      cpSync(join(folder, "first"), join(folder, name), { recursive: true });
      const log = join(folder, name, "log");
      const segment = join(log, readdirSync(log)[0] ?? "");
      // In the middle of a line, as likely as not.
      truncateSync(segment, Math.floor(statSync(segment).size * part));
      // A checkpoint is signed once its records are on the disk: by then there were none of the rest.
      rmSync(join(log, "checkpoints"));
      const result = await demoRepaired(name);
      expect(printed(result)).toEqual(printed(first));
      const config = await loadConfig({
        cwd: folder,
        env: {},
        flags: { data: join(folder, name) },
      });
      const { differences, imbalances, owed } = await checkLedger(config);
      expect({ differences, imbalances, owed }).toEqual({
        differences: [],
        imbalances: [],
        owed: 0,
      });
    },
  );

  it("finds nothing left to do in a folder whose run is complete", async () => {
    const again = await demo("first");
    expect(again.latencies).toEqual([]);
    expect(again.resumed).toBe(CALLS);
    expect(printed(again)).toEqual(printed(first));
  });

  it("refuses a folder that holds another demo, or another log", async () => {
    await expect(demo("first", 2)).rejects.toThrow(/holds a demo with seed 1, this one has 2/);
    cpSync(join(folder, "first/log"), join(folder, "stranger/log"), { recursive: true });
    await expect(demo("stranger")).rejects.toThrow(/holds log, which is not the demo's/);
  });
});

/** As `demo`, but the log's torn end is repaired, which is told. */
async function demoRepaired(name: string): Promise<RunResult> {
  const trace = await readTrace(SHIPPED_TRACE, CALLS);
  const onFault = ({ message }: Error) => expect(message).toMatch(/^repaired: /);
  return runDemo({ data: join(folder, name), onFault, seed: 1, trace }, UNWATCHED);
}
