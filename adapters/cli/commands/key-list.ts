import { loadConfig } from "../../config.ts";
import { listKeys } from "../../keys/keys.ts";
import type { Invocation } from "../command.ts";
import { harmless } from "../style.ts";

/** Lists the keys; secrets are stored nowhere, so none can be shown. */
export async function run({ settings, json, terminal }: Invocation): Promise<number> {
  const config = await loadConfig({ flags: settings, env: terminal.env, cwd: terminal.cwd });
  const keys = listKeys(config.data);
  if (json) {
    const listed = keys.map(({ id, principal, note, createdAtMs, revokedAtMs }) => {
      return { id, principal, note, created_at_ms: createdAtMs, revoked_at_ms: revokedAtMs };
    });
    terminal.print(JSON.stringify({ keys: listed }));
    return 0;
  }
  if (keys.length === 0) {
    terminal.print("no keys; until one is made, callers on this machine need none");
    return 0;
  }
  for (const { id, principal, note, createdAtMs, revokedAtMs } of keys) {
    const state = revokedAtMs === null ? "valid" : `revoked ${day(revokedAtMs)}`;
    const parts = [id, harmless(principal), `made ${day(createdAtMs)}`, state, harmless(note)];
    terminal.print(parts.filter((part) => part !== "").join("  "));
  }
  return 0;
}

function day(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
