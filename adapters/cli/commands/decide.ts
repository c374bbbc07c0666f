import type { Decision } from "../../../engine/decision/decision.ts";
import type { RawIntent } from "../../../engine/intent/intent.ts";
import { type Config, loadConfig } from "../../config.ts";
import { decisionToJson } from "../../http/from-decision.ts";
import type { Invocation } from "../command.ts";
import { intentFromJson } from "../../http/to-intent.ts";
import { readJson, unwrapIntent } from "../read-intent.ts";
import { renderDecision } from "../render-decision.ts";
import { serverAddress } from "../server-address.ts";

/** Prints the decision on one intent, from a running service or from an engine of its own. */
export async function run(invocation: Invocation): Promise<number> {
  const { flags, settings, json, terminal } = invocation;
  const config = await loadConfig({ flags: settings, env: terminal.env, cwd: terminal.cwd });
  const document = await readJson(terminal, invocation.positionals["FILE"] ?? "");
  const intent = intentFromJson(unwrapIntent(document));
  const decision =
    flags["embedded"] === undefined
      ? await decideRemotely(intent, invocation, config)
      : await decideHere(intent, config);
  terminal.print(
    json ? JSON.stringify(decisionToJson(decision)) : renderDecision(decision, terminal),
  );
  return 0;
}

async function decideRemotely(
  intent: RawIntent,
  invocation: Invocation,
  config: Config,
): Promise<Decision> {
  const { decideOverGrpc } = await import("../over-grpc.ts");
  return decideOverGrpc(intent, serverAddress(invocation, config));
}

/** A fresh state and a log that is dropped: nothing is left behind, and no service is disturbed. */
async function decideHere(intent: RawIntent, config: Config): Promise<Decision> {
  const { LOOPBACK_PRINCIPAL, openEngine } = await import("../../serve.ts");
  const { ephemeralStorage } = await import("../../serve/ephemeral.ts");
  const { readTrusted } = await import("../../bundles/trusted.ts");
  const bundle = await readTrusted(config.bundle, config.bundleKeys, config.bundleToken);
  const engine = await openEngine(config, { storage: ephemeralStorage(bundle) });
  try {
    return await engine.weir.decide(intent, { principal: LOOPBACK_PRINCIPAL });
  } finally {
    await engine.close();
  }
}
