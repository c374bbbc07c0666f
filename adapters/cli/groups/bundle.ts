import type { Command, Flag } from "../command.ts";

const SERVER_FLAGS: readonly Flag[] = [
  { name: "server", placeholder: "HOST:PORT", doc: "the service to ask; default: grpc_listen" },
  {
    name: "key",
    placeholder: "KEY",
    doc: "API key; better given as WEIR_KEY, which ps does not show",
  },
];
const WHY: Flag = {
  name: "why",
  placeholder: "TEXT",
  mandatory: true,
  doc: "the reason, for the record",
};

/** What decides at a running service, and a server that hands bundles out. */
export const BUNDLE_COMMANDS: readonly Command[] = [
  {
    name: "bundle status",
    summary: "show which bundle decides, since when, and what its source said last",
    positionals: [],
    flags: SERVER_FLAGS,
    settings: true,
    load: () => import("../commands/bundle-status.ts"),
  },
  {
    name: "bundle activate",
    summary: "let another bundle decide, once it is verified and tried",
    positionals: [
      { name: "PATH|URL", doc: "a folder or .tar.gz on the service's machine, or the URL of one" },
    ],
    flags: [WHY, ...SERVER_FLAGS],
    settings: true,
    load: () => import("../commands/bundle-activate.ts"),
  },
  {
    name: "bundle rollback",
    summary: "let the bundle before decide again",
    positionals: [],
    flags: [WHY, ...SERVER_FLAGS],
    settings: true,
    load: () => import("../commands/bundle-rollback.ts"),
  },
  {
    name: "bundle serve",
    summary: "serve the bundles in a folder over HTTP until Ctrl-C",
    positionals: [
      { name: "DIR", doc: "a bundle, or a folder of bundles: folders and .tar.gz archives" },
    ],
    flags: [
      {
        name: "listen",
        placeholder: "HOST:PORT",
        doc: "where; default 127.0.0.1:7352",
      },
    ],
    settings: false,
    load: () => import("../commands/bundle-serve.ts"),
  },
];
