import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { Decision } from "../../../engine/decision/decision.ts";
import { WeirError } from "../../../engine/errors.ts";
import type { RawIntent } from "../../../engine/intent/intent.ts";
import { LIMITS } from "../../../engine/limits.ts";
import { type Config, loadConfig } from "../../config.ts";
import { decisionToJson } from "../../http/from-decision.ts";
import { intentFromJson } from "../../http/to-intent.ts";
import type { Invocation } from "../command.ts";
import { renderDecision } from "../render-decision.ts";
import { serverAddress } from "../server-address.ts";

/** Prints the decision on one intent, from a running service or from an engine of its own. */
export async function run(invocation: Invocation): Promise<number> {
  const { flags, settings, json, terminal } = invocation;
  const config = await loadConfig({ flags: settings, env: terminal.env, cwd: terminal.cwd });
  const intent = await readIntent(invocation);
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
  const bundle = await readTrusted(config.bundle, config.bundleKeys);
  const engine = await openEngine(config, { storage: ephemeralStorage(bundle) });
  try {
    return await engine.weir.decide(intent, { principal: LOOPBACK_PRINCIPAL });
  } finally {
    await engine.close();
  }
}

async function readIntent({ positionals, terminal }: Invocation): Promise<RawIntent> {
  const file = positionals["FILE"] ?? "";
  const text =
    file === "-" ? await terminal.readInput() : await readText(resolve(terminal.cwd, file), file);
  if (Buffer.byteLength(text) > LIMITS.messageBytes) {
    throw invalid(`${file} is too large; at most ${LIMITS.messageBytes} bytes are accepted`);
  }
  return intentFromJson(unwrap(parse(text, file)));
}

async function readText(absolute: string, file: string): Promise<string> {
  try {
    return await readFile(absolute, "utf8");
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === "ENOENT";
    throw invalid(`${file}: ${missing ? "there is no such file" : (cause as Error).message}`);
  }
}

function parse(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw invalid(`${file} is not JSON: ${(cause as Error).message}`);
  }
}

/** A request to the service, over gRPC or OPA-style, is accepted as well as the bare intent. */
function unwrap(json: unknown): unknown {
  const only = (value: unknown, key: string): unknown =>
    typeof value === "object" && value !== null && Object.keys(value).join() === key
      ? (value as Record<string, unknown>)[key]
      : value;
  return only(only(json, "input"), "intent");
}

function invalid(message: string): WeirError {
  return new WeirError("intent.invalid", message);
}
