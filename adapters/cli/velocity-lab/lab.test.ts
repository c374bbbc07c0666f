import { beforeAll, describe, expect, it } from "vitest";
import type { Bundle } from "../../../engine/policy/bundle.ts";
import { planScopes } from "../../../engine/velocity/scopes.ts";
import { loadBundle } from "../../bundles/folder-bundles.ts";
import { fakeTerminal } from "../fake-terminal.ts";
import { runWeir } from "../main.ts";
import { SHIPPED_TRACE } from "../demo/host.ts";
import { readTrace, type TraceCall } from "../demo/trace.ts";
import { type LabOptions, type LabRun, runLab } from "./lab.ts";
import { withLimits } from "./limits.ts";
import type { LabTrouble } from "./troubles.ts";
import { labJson } from "./render.ts";
import { summarize } from "./summary.ts";

// Goal: the lab shows what velocity finds and what it does not, the same on every machine.
// Method: the trace that ships, thinned, in a small organisation; what a floor does is asked for.

const BUNDLE = new URL("../../../bundles/starter", import.meta.url).pathname;
const SEED = 1;

let bundle: Bundle;
let trace: readonly TraceCall[];
let runAsShipped: LabRun;

const optionsOf = (floor = "", troubles: readonly LabTrouble[] = ["agent_loop"]): LabOptions => {
  const { velocity } = bundle.data;
  const changed = floor === "" ? velocity : withLimits(velocity, "floor", "floor_micro_usd", floor);
  const plan = planScopes(changed);
  const size = { days: 3, runs: 1, seed: SEED, share: 0.12, teams: 2, users: 40 };
  return { ...size, bundle, plan, trace, troubles };
};

beforeAll(async () => {
  bundle = loadBundle(BUNDLE);
  trace = await readTrace(SHIPPED_TRACE, 2_000);
  runAsShipped = runLab(optionsOf("", ["agent_loop", "burst_20x"]), SEED);
});

describe("the velocity lab", () => {
  it("finds every loop and the bursts that cost money, and trips on nothing else", () => {
    const { troubles, untouched } = summarize([runAsShipped]);
    expect(untouched.calls).toBeGreaterThan(20_000);
    expect((10_000 * untouched.falseTrips) / untouched.calls).toBeLessThan(0.2);
    expect(troubles.agent_loop.missed).toBe(0);
    expect(troubles.agent_loop.foundMsMedian).toBeLessThanOrEqual(45_000);
    expect(troubles.agent_loop.foundMsMost).toBeLessThanOrEqual(110_000);
    expect(troubles.agent_loop.leakedMedian).toBeLessThanOrEqual(650_000);
    expect(troubles.burst_20x.missed).toBeLessThanOrEqual(3);
    expect(troubles.burst_20x.leakedMost).toBeLessThanOrEqual(8_000_000);
    expect(troubles.agent_loop.passedPercent).toBeLessThan(2);
  });

  it("gives the same figures for the same seed, and others for another", () => {
    const again = runLab(optionsOf(), SEED);
    expect(again.untouched).toEqual(runAsShipped.untouched);
    expect(again.outcomes.agent_loop).toEqual(runAsShipped.outcomes.agent_loop);
    expect(runLab(optionsOf(), SEED + 1).untouched.calls).not.toBe(again.untouched.calls);
  });

  it("finds nothing under floors that nothing reaches", () => {
    const high = ["1s", "1m", "1h"]
      .flatMap((window) => ["team", "feature", "user", "tenant"].map((kind) => `${kind}.${window}`))
      .map((name) => `${name}=900000`)
      .join(",");
    const { velocity } = bundle.data;
    const perCall = ["team", "feature", "user", "tenant"].map((kind) => `${kind}.call_cost=900000`);
    const all = [high, ...perCall].join(",");
    const floors = withLimits(velocity, "floor", "floor_micro_usd", all);
    const plan = planScopes(withLimits(floors, "cold", "cold_micro_usd", high));
    const { outcomes } = runLab({ ...optionsOf(), plan }, SEED);
    for (const { foundBy, foundMs, leaked, passed, uncontrolled } of outcomes.agent_loop) {
      expect({ foundBy, foundMs }).toEqual({ foundBy: "", foundMs: null });
      expect([leaked, passed]).toEqual([uncontrolled, uncontrolled]);
    }
  });

  it("finds a loop sooner, for less money, under a lower floor", () => {
    const floor = "user.1m=0.05";
    const { troubles } = summarize([runLab(optionsOf(floor), SEED)]);
    const shipped = summarize([runAsShipped]).troubles;
    expect(troubles.agent_loop.leakedMedian).toBeLessThan(shipped.agent_loop.leakedMedian);
    const [[by]] = troubles.agent_loop.foundBy as [[string, number]];
    expect(by).toBe("user 1m");
  });

  it("says all of it in JSON, with the seeds", () => {
    const json = labJson(summarize([runAsShipped]), optionsOf());
    expect(json).toMatchObject({ days: 3, seeds: [SEED], teams: 2, trace_calls: 2_000, users: 40 });
    expect(json.bundle.digest).toBe(bundle.digest);
    expect(json.troubles["agent_loop"]).toMatchObject({ missed: 0, tried: 12 });
  });
});

describe("weir velocity lab", () => {
  const lab = (...flags: readonly string[]) => {
    const terminal = fakeTerminal(import.meta.dirname);
    return runWeir(["velocity", "lab", SHIPPED_TRACE, ...flags], terminal).then((code) => ({
      code,
      noted: terminal.noted.join("\n"),
      printed: terminal.printed.join("\n"),
    }));
  };

  it("prints one JSON document", async () => {
    const { code, printed } = await lab("--days", "3", "--share", "2", "--teams", "3", "--json");
    expect(code).toBe(0);
    expect(JSON.parse(printed)).toMatchObject({ days: 3, seeds: [1], teams: 3 });
  });

  it("prints a table that names every trouble", async () => {
    const { code, noted, printed } = await lab("--days", "3", "--share", "1", "--runs", "2");
    expect(code).toBe(0);
    expect(noted).toContain("run 2 of 2, seed 2");
    expect(printed).toContain("seeds 1 to 2");
    for (const word of ["burst_20x", "agent_loop", "retry_storm", "price_15x", "prompt_4x", "ramp"])
      expect(printed).toMatch(new RegExp(`^${word} +\\d+/24 `, "m"));
  });

  it.each([
    [["--floor", "tem.1m=1"], "--floor: the bundle has no scope tem; the nearest is team"],
    [["--floor", "team.2m=1"], "--floor: the bundle has no window 2m; the nearest is"],
    [["--floor", "team.1m=-1"], "--floor team.1m=-1 is not accepted; accepted are"],
    [["--floor", "team.1m=none"], "--floor team.1m=none is not accepted"],
    [
      ["--cold", "team.1h"],
      '--cold team.1h is not accepted; accepted are scope.window=USD or "none"',
    ],
    [["--days", "2"], "--days 2 is not accepted; accepted is a whole number from 3 to 60"],
  ])("refuses %j", async (flags, message) => {
    const { code, noted } = await lab(...flags);
    expect(code).toBe(2);
    expect(noted).toContain(message);
  });
});
