import { resolve } from "node:path";
import { openBundle } from "../../../engine/policy/bundle.ts";
import { planScopes } from "../../../engine/velocity/scopes.ts";
import { loadConfig } from "../../config.ts";
import { bundleFiles } from "../../bundles/archive.ts";
import { readTrusted } from "../../bundles/trusted.ts";
import type { Invocation } from "../command.ts";
import { readTrace } from "../demo/trace.ts";
import { EXIT } from "../exit.ts";
import { readNumber } from "../read-number.ts";
import { styleOf } from "../style.ts";
import { type LabOptions, runLab } from "../velocity-lab/lab.ts";
import { withLimits } from "../velocity-lab/limits.ts";
import { labJson, renderLab } from "../velocity-lab/render.ts";
import { summarize } from "../velocity-lab/summary.ts";

const CALLS_MAX = 1_000_000;

/** Replays a trace through the velocity of the engine, untouched and in trouble. */
export async function run(invocation: Invocation): Promise<number> {
  const { json, terminal } = invocation;
  const options = await optionsOf(invocation);
  const runs = Array.from({ length: options.runs }, (_one, index) => {
    const seed = options.seed + index;
    if (!json && options.runs > 1)
      terminal.note(`run ${index + 1} of ${options.runs}, seed ${seed}`);
    return runLab(options, seed);
  });
  const summary = summarize(runs);
  terminal.print(
    json
      ? JSON.stringify(labJson(summary, options))
      : renderLab(summary, options, styleOf(terminal.color)),
  );
  return EXIT.ok;
}

async function optionsOf({
  flags,
  positionals,
  settings,
  terminal,
}: Invocation): Promise<LabOptions> {
  const number = (name: string, min: number, max: number, absent: number) =>
    readNumber(flags, name, min, max, absent);
  const size = {
    days: number("days", 3, 60, 14),
    runs: number("runs", 1, 1_000, 1),
    seed: number("seed", 0, 2 ** 31, 1),
    share: number("share", 1, 100, 100) / 100,
    teams: number("teams", 1, 1_000, 20),
    users: number("users", 1, 100_000, 500),
  };
  const calls = number("calls", 2, CALLS_MAX, CALLS_MAX);
  const config = await loadConfig({
    cwd: terminal.cwd,
    env: terminal.env,
    flags: settings,
  });
  const bundle = openBundle(bundleFiles(await readTrusted(config.bundle, config.bundleKeys)));
  let { velocity } = bundle.data;
  const { cold, floor } = flags;
  if (floor !== undefined) velocity = withLimits(velocity, "floor", "floor_micro_usd", floor);
  if (cold !== undefined) velocity = withLimits(velocity, "cold", "cold_micro_usd", cold);
  const trace = await readTrace(resolve(terminal.cwd, positionals["TRACE"] ?? ""), calls);
  return { ...size, bundle, plan: planScopes(velocity), trace };
}
