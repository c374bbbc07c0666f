import { once } from "node:events";
import { resolve } from "node:path";

import { type NoteVerifier, readVerifier } from "../../../engine/audit/note.ts";
import { address, formatAddress } from "../../config/values.ts";
import { systemClock } from "../../system/clock.ts";
import { startWitness } from "../../witness/server.ts";
import { type Invocation, UsageError } from "../command.ts";
import { harmless } from "../style.ts";

/** Runs a witness until it is told to stop. */
export async function run({ flags, json, terminal }: Invocation): Promise<number> {
  const listen = flags["listen"] ?? "127.0.0.1:7353";
  const at = address().read(listen, terminal.cwd);
  if (at === undefined)
    throw new UsageError(
      `--listen ${harmless(listen)} is not accepted; accepted is ${address().accepts}`,
    );
  const service = await startWitness({
    ...at,
    clock: systemClock,
    folder: resolve(terminal.cwd, flags["dir"] ?? "weir-witness"),
    logs: (flags["logs"] ?? "").split(",").map(logKey),
    name: flags["name"] ?? "weir.internal/witness",
  });
  const url = `http://${formatAddress({ host: at.host, port: service.port })}`;
  if (json) terminal.print(JSON.stringify({ key: service.key, url }));
  else
    terminal.print(
      `witness at ${url}; its public key, for --witness-key and audit verify --witness:\n${service.key}`,
    );
  await Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
  await service.close();
  terminal.note("stopped");
  return 0;
}

function logKey(text: string): NoteVerifier {
  const key = readVerifier(text);
  if (key?.kind === "ed25519") return key;
  throw new UsageError(`--logs ${harmless(text)} is not the key of a log, as audit key shows it`);
}
