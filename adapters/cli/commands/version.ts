import { readVersion } from "../../system/version.ts";
import type { Invocation } from "../command.ts";

/** Prints the version of Weir and of Node. */
export async function run({ json, terminal }: Invocation): Promise<number> {
  const version = await readVersion();
  const { node } = process.versions;
  terminal.print(json ? JSON.stringify({ version, node }) : `weir ${version} (node ${node})`);
  return 0;
}
