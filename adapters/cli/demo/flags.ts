import type { Flag } from "../command.ts";

/** Flags of the demo, for the command table. */
export const DEMO_FLAGS: readonly Flag[] = [
  { name: "seed", placeholder: "N", doc: "seed of everything that is drawn; the same seed, the same decisions; default 1" },
  { name: "calls", placeholder: "N", doc: "calls taken from the trace; default 2000" },
  { name: "trace", placeholder: "FILE", doc: "another trace of the form TIMESTAMP,ContextTokens,GeneratedTokens" },
  { name: "speed", placeholder: "N", doc: "show N seconds of the trace a second; default: as fast as it goes" },
  { name: "data", placeholder: "DIR", doc: "keep the data folder; a demo that was killed there goes on" },
];
