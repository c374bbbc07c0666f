import type { Flag } from "./command.ts";

/** Flags of every command that asks a running service. */
export const SERVER_FLAGS: readonly Flag[] = [
  { name: "server", placeholder: "HOST:PORT", doc: "the service to ask; default: grpc_listen" },
  {
    name: "key",
    placeholder: "KEY",
    doc: "API key; better given as WEIR_KEY, which ps does not show",
  },
];
