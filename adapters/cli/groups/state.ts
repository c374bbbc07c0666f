import type { Command, Flag } from "../command.ts";

const LOGS: Flag = {
  name: "logs",
  placeholder: "DIR,…",
  doc: "data folders of the other nodes that share the state; that of --data is read anyway",
};

/** What is done to the state as a whole. */
export const STATE_COMMANDS: readonly Command[] = [
  {
    name: "state check",
    summary: "compare every balance of the state with what the logs posted",
    positionals: [],
    flags: [LOGS],
    settings: true,
    load: () => import("../commands/state-check.ts"),
  },
  {
    name: "state rebuild",
    summary: "make the state in Redis what the logs say, after it was lost or altered",
    positionals: [],
    flags: [LOGS],
    settings: true,
    load: () => import("../commands/state-rebuild.ts"),
  },
];
