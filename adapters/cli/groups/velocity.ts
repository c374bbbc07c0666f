import type { Command } from "../command.ts";

/** What is known of velocity without a service. */
export const VELOCITY_COMMANDS: readonly Command[] = [
  {
    name: "velocity lab",
    summary:
      "try floors and cold limits on a trace: what is found, what leaks, what trips for nothing",
    positionals: [
      {
        name: "TRACE",
        doc: "CSV of TIMESTAMP,ContextTokens,GeneratedTokens, or JSON lines of timestamp, input_length, output_length",
      },
    ],
    flags: [
      {
        name: "floor",
        placeholder: "LIST",
        doc: "other floors, USD: team.1m=0.50,user.call_cost=2",
      },
      {
        name: "cold",
        placeholder: "LIST",
        doc: 'other cold limits, USD or "none": team.1h=50,tenant.1h=none',
      },
      { name: "runs", placeholder: "N", doc: "how many seeds; default 1" },
      {
        name: "seed",
        placeholder: "N",
        doc: "the first of them; the same seed, the same figures; default 1",
      },
      {
        name: "days",
        placeholder: "N",
        doc: "days of traffic made of the trace, 3 to 60; default 14",
      },
      {
        name: "share",
        placeholder: "PERCENT",
        doc: "part of the trace's calls that is used; default 100",
      },
      { name: "calls", placeholder: "N", doc: "calls taken from the trace; default: all" },
      { name: "teams", placeholder: "N", doc: "teams that make the calls; default 20" },
      { name: "users", placeholder: "N", doc: "users in all teams; default 500" },
    ],
    settings: true,
    load: () => import("../commands/velocity-lab.ts"),
  },
];
