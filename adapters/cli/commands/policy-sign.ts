import { statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

import { bundleFiles, pack, readArchive, SIGNATURES } from "../../bundles/archive.ts";
import { readSigningKey } from "../../bundles/keys.ts";
import { signArchive } from "../../bundles/signature.ts";
import type { Invocation } from "../command.ts";

/** Signs every file of a bundle and writes the signature into it. */
export async function run({ flags, json, positionals, terminal }: Invocation): Promise<number> {
  const bundle = positionals["BUNDLE"] ?? "";
  const path = resolve(terminal.cwd, bundle);
  const key = readSigningKey(resolve(terminal.cwd, flags["key"] ?? ""), flags["algorithm"]);
  const { "key-id": keyId, scope } = flags;
  const files = readArchive(path);
  // What Weir could not use is not signed in its name.
  bundleFiles(files);
  const signed = await signArchive(files, key, {
    ...(keyId !== undefined && { keyId }),
    ...(scope !== undefined && { scope }),
  });
  if (statSync(path).isDirectory()) {
    writeFileSync(join(path, SIGNATURES), signed.get(SIGNATURES) ?? "");
  } else writeFileSync(path, pack(signed));
  const count = signed.size - 1;
  const { algorithm } = key;
  terminal.print(
    json
      ? JSON.stringify({ bundle, algorithm, key_id: keyId ?? "", files: count })
      : `signed ${count} files of ${bundle} with ${algorithm}${keyId === undefined ? "" : `, key ${keyId}`}`,
  );
  return 0;
}
