import { resolve } from "node:path";

import { serveBundles } from "../../bundles/serve.ts";
import { readGiven } from "../../config.ts";
import { address, formatAddress } from "../../config/values.ts";
import type { Invocation } from "../command.ts";

/** Serves the bundles in a folder until it is told to stop. */
export async function run({ flags, json, positionals, terminal }: Invocation): Promise<number> {
  const folder = resolve(terminal.cwd, positionals["DIR"] ?? "");
  const text = flags["listen"] ?? "127.0.0.1:7352";
  const given = { folder: terminal.cwd, source: "flag --listen", text };
  const { host, port } = readGiven(address(), "listen", given);
  const stopped = new Promise<void>((done) => {
    process.once("SIGINT", () => done());
    process.once("SIGTERM", () => done());
  });
  const server = await serveBundles({ folder, host, port });
  const base = `http://${formatAddress({ host, port: server.port })}`;
  const urls = server.names().map((name) => `${base}/${name}.tar.gz`);
  terminal.print(
    json
      ? JSON.stringify({ bundles: urls, folder })
      : [
          `serving ${folder}; Ctrl-C stops`,
          ...urls.map((url) => `  ${url}`),
          `  use one: weir start --bundle ${urls[0]}`,
        ].join("\n"),
  );
  await stopped;
  await server.close();
  return 0;
}
