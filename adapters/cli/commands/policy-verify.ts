import { resolve } from "node:path";

import { readArchive, SIGNATURES } from "../../bundles/archive.ts";
import { readVerificationKeys } from "../../bundles/keys.ts";
import { verifyArchive } from "../../bundles/signature.ts";
import type { Invocation } from "../command.ts";
import { harmless } from "../style.ts";

/** Checks the signature of a bundle; exit code 1 if it is not as one of the keys signed it. */
export async function run({ flags, json, positionals, terminal }: Invocation): Promise<number> {
  const bundle = positionals["BUNDLE"] ?? "";
  const keys = readVerificationKeys(resolve(terminal.cwd, flags["key"] ?? ""), flags["algorithm"]);
  const files = readArchive(resolve(terminal.cwd, bundle));
  const { algorithm, keyId } = await verifyArchive(files, keys);
  const count = [...files.keys()].filter((name) => name !== SIGNATURES).length;
  terminal.print(
    json
      ? JSON.stringify({ bundle, algorithm, key_id: keyId, files: count })
      : `${bundle} is as it was signed: ${count} files, ${algorithm}${keyId === "" ? "" : `, key ${harmless(keyId)}`}`,
  );
  return 0;
}
