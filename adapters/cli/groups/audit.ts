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

/** What a developer asks about one call. */
export const WHY_COMMAND: Command = {
  name: "why",
  summary: "tell in plain words what happened to a call",
  positionals: [{ name: "ID", doc: "id of the decision" }],
  flags: [],
  settings: true,
  load: () => import("../commands/why.ts"),
};

/** What auditors do, with the service or away from it. */
export const AUDIT_COMMANDS: readonly Command[] = [
  {
    name: "audit verify",
    summary: "prove that nothing in a log was altered, added or removed",
    positionals: [
      { name: "PATH", doc: "a data folder, an export, or a file of audit prove or consistency" },
    ],
    flags: [
      KEY,
      WITNESS,
      { name: "evaluate", doc: "evaluate every recorded input again, on the bundle that decided" },
    ],
    settings: false,
    load: () => import("../commands/audit-verify.ts"),
  },
  {
    name: "audit prove",
    summary: "prove that a record is in the log, in one file for another machine",
    positionals: [{ name: "ID", doc: "id of a decision, or number of a record" }],
    flags: [{ name: "out", placeholder: "FILE", doc: "where the proof goes; default: printed" }],
    settings: true,
    load: () => import("../commands/audit-prove.ts"),
  },
  {
    name: "audit consistency",
    summary: "prove that the log of one checkpoint goes on as that of a newer one",
    positionals: [
      { name: "OLD", doc: "file of the checkpoint that was kept" },
      { name: "NEW", doc: "file of a newer one, as audit checkpoint prints it" },
    ],
    flags: [],
    settings: true,
    load: () => import("../commands/audit-consistency.ts"),
  },
  {
    name: "audit export",
    summary: "copy the log, its checkpoints and bundles for an auditor",
    positionals: [{ name: "DIR", doc: "a folder that is empty or not there" }],
    flags: [],
    settings: true,
    load: () => import("../commands/audit-export.ts"),
  },
  {
    name: "audit report",
    summary: "count decisions and list grants, waivers, shadow, gaps and changes of a time",
    positionals: [],
    flags: [
      { name: "from", placeholder: "TIME", doc: "first moment, as in 2026-11-01; default: all" },
      { name: "to", placeholder: "TIME", doc: "first moment after it; default: now" },
    ],
    settings: true,
    load: () => import("../commands/audit-report.ts"),
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
    name: "audit erase",
    summary: "erase a person whose fields were masked; the service must be stopped",
    positionals: [
      {
        name: "VALUE",
        doc: "what was masked, as in ada@example.com; - reads it from standard input",
      },
    ],
    flags: [
      { name: "why", placeholder: "TEXT", mandatory: true, doc: "the reason, for the record" },
    ],
    settings: true,
    load: () => import("../commands/audit-erase.ts"),
  },
  {
    name: "audit witness",
    summary: "run a witness, which signs the checkpoints of logs that only ever grow",
    positionals: [],
    flags: [
      {
        name: "logs",
        placeholder: "KEYS",
        mandatory: true,
        doc: "public keys of the logs it watches, with commas between them",
      },
      { name: "listen", placeholder: "HOST:PORT", doc: "default 127.0.0.1:7353" },
      {
        name: "dir",
        placeholder: "DIR",
        doc: "its key and what it signed; default ./weir-witness",
      },
      { name: "name", placeholder: "NAME", doc: "name of its key; default weir.internal/witness" },
    ],
    settings: false,
    load: () => import("../commands/audit-witness.ts"),
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
