import { once } from "node:events";
import type { Effect } from "../../../engine/decision/decision.ts";
import { loadBundle } from "../../bundles/folder-bundles.ts";
import { type Invocation, UsageError } from "../command.ts";
import { type ComparedCall, compare, type Comparison } from "../envoy/compare.ts";
import { type Profile, PROFILES } from "../envoy/configuration.ts";
import { findEnvoy } from "../envoy/find-envoy.ts";
import { renderComparison, renderStay, renderTrialCall } from "../envoy/render-trial.ts";
import { openTrial, type Trial } from "../envoy/trial.ts";
import { sendTrialCall, TRIAL_CALLS, type TrialCall } from "../envoy/trial-calls.ts";
import { EXIT } from "../exit.ts";
import { styleOf } from "../style.ts";
import type { Terminal } from "../terminal.ts";

/** Starts Envoy, a simulated provider and Weir, sends a call for each effect and compares the money. */
export async function run({ flags, json, terminal }: Invocation): Promise<number> {
  const profile = readProfile(flags["profile"] ?? "default");
  const note = (line: string): void => terminal.note(line);
  const { cwd, env } = terminal;
  const program = await findEnvoy({ asked: flags["envoy"], cwd, env, note });
  const stays = flags["stay"] !== undefined;
  const left = stays ? Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]) : null;
  const trial = await openTrial({
    env,
    onFault: (error) => terminal.note(`${error.code}: ${error.message}`),
    profile,
    program,
  });
  try {
    const result = await sendCalls(trial, json ? null : terminal);
    if (json) terminal.print(JSON.stringify({ effects: result.effects, ...result.money }));
    else terminal.print(renderComparison(result.effects, result.money, styleOf(terminal.color)));
    if (left !== null) {
      terminal.note(renderStay(trial));
      await left;
    }
    return isSound(result) ? EXIT.ok : EXIT.fault;
  } finally {
    await trial.close();
  }
}

function readProfile(name: string): Profile {
  const known = PROFILES.find((profile) => profile === name);
  if (known !== undefined) return known;
  throw new UsageError(`--profile ${name} is not accepted; accepted are ${PROFILES.join(" and ")}`);
}

interface TrialResult {
  /** Calls by effect. */
  readonly effects: Readonly<Record<Effect, number>>;
  readonly money: Comparison;
}

async function sendCalls(trial: Trial, terminal: Terminal | null): Promise<TrialResult> {
  const effects = { allow: 0, reroute: 0, throttle: 0, block: 0 };
  const compared: ComparedCall[] = [];
  for (const call of TRIAL_CALLS) {
    for (let sent = 1; sent <= call.times; sent += 1) {
      const answer = await sendTrialCall(trial, call);
      if (isEffect(answer.effect)) effects[answer.effect] += 1;
      const [served] = trial.simulator.served;
      if (served !== undefined) compared.push({ decisionId: answer.decisionId, served });
      if (sent === call.times) show(terminal, trial, call, answer);
      trial.simulator.reset();
    }
  }
  const money = await compare(trial.config.data, loadBundle(trial.config.bundle), compared);
  return { effects, money };
}

function show(
  terminal: Terminal | null,
  trial: Trial,
  call: TrialCall,
  answer: Awaited<ReturnType<typeof sendTrialCall>>,
): void {
  if (terminal === null) return;
  const seen = trial.simulator.seen[0] ?? null;
  terminal.print(`${renderTrialCall(trial.base, call, answer, seen, styleOf(terminal.color))}\n`);
}

function isEffect(word: string): word is Effect {
  return ["allow", "reroute", "throttle", "block"].includes(word);
}

function isSound({ effects, money }: TrialResult): boolean {
  return money.differences.length === 0 && Object.values(effects).every((count) => count > 0);
}
