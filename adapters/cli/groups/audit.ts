import type { Command, Flag } from "../command.ts";

const KEY: Flag = {
  name: "key",
  placeholder: "KEY",
  doc: "the log's public key, as audit key showed it; default: the one that the log itself names",
};
const WITNESS: Flag = {
  name: "witness",
  placeholder: "KEY",
  doc: "public key of a witness that must have signed everything too",
};

/** What auditors do, with the service or away from it. */
export const AUDIT_COMMANDS: readonly Command[] = [
  {
    name: "audit verify",
    summary: "prove that nothing in a log was altered, added or removed",
    positionals: [{ name: "PATH", doc: "a data folder, or a copy of one" }],
    flags: [
      KEY,
      WITNESS,
      { name: "evaluate", doc: "evaluate every recorded input again, on the bundle that decided" },
    ],
    settings: false,
    load: () => import("../commands/audit-verify.ts"),
  },
  {
    name: "audit key",
    summary: "show the public key that signs the log, or put another in its place",
    positionals: [],
    flags: [
      { name: "rotate", doc: "make another key; the service must be stopped" },
      { name: "why", placeholder: "TEXT", doc: "the reason, for the record; needed to rotate" },
    ],
    settings: true,
    load: () => import("../commands/audit-key.ts"),
  },
  {
    name: "audit checkpoint",
    summary: "show the newest signed checkpoint, to be kept elsewhere",
    positionals: [],
    flags: [],
    settings: true,
    load: () => import("../commands/audit-checkpoint.ts"),
  },
];
