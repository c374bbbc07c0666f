import type { Command, Flag } from "../command.ts";
import { FILTER_FLAGS } from "../ledger-filter.ts";
import { SERVER_FLAGS } from "../server-flags.ts";

const TENANT: Flag = {
  name: "tenant",
  placeholder: "T",
  doc: "its tenant; default: whichever of yours has it",
};

/** What is asked of the ledger, at a running service or of the data folder. */
export const LEDGER_COMMANDS: readonly Command[] = [
  {
    name: "ledger summary",
    summary: "sum what was spent, by any fields and by time",
    positionals: [],
    flags: [
      { name: "by", placeholder: "FIELD,…", doc: "fields to group by; default team,model" },
      { name: "each", placeholder: "hour|day|month", doc: "cut in time as well, UTC" },
      { name: "scan", doc: "read every entry instead of the kept sums; the result is the same" },
      ...FILTER_FLAGS,
      ...SERVER_FLAGS,
    ],
    settings: true,
    load: () => import("../commands/ledger-summary.ts"),
  },
  {
    name: "ledger list",
    summary: "list the ledger's entries, the latest first",
    positionals: [],
    flags: [
      { name: "kind", placeholder: "KIND,…", doc: "only entries of these kinds" },
      { name: "run", placeholder: "RUN", doc: "only entries of one run" },
      { name: "limit", placeholder: "N", doc: "how many; default 50" },
      { name: "page", placeholder: "TOKEN", doc: "go on where another list ended" },
      { name: "oldest", doc: "the oldest first" },
      ...FILTER_FLAGS,
      ...SERVER_FLAGS,
    ],
    settings: true,
    load: () => import("../commands/ledger-list.ts"),
  },
  {
    name: "ledger show",
    summary: "show one decision and what became of its money",
    positionals: [{ name: "DECISION", doc: "id of the decision" }],
    flags: SERVER_FLAGS,
    settings: true,
    load: () => import("../commands/ledger-show.ts"),
  },
  {
    name: "run show",
    summary: "show what an agent's run cost in all, by layer",
    positionals: [{ name: "RUN", doc: "id of the run" }],
    flags: [TENANT, ...SERVER_FLAGS],
    settings: true,
    load: () => import("../commands/run-show.ts"),
  },
  {
    name: "ledger close",
    summary: "fix a month: what comes into it later is a correction",
    positionals: [{ name: "MONTH", doc: "a month that is over, as in 2026-10, UTC" }],
    flags: [
      { ...TENANT, doc: 'its tenant; "*" for every one', mandatory: true },
      { name: "why", placeholder: "TEXT", mandatory: true, doc: "the reason, for the record" },
      ...SERVER_FLAGS,
    ],
    settings: true,
    load: () => import("../commands/ledger-close.ts"),
  },
  {
    name: "ledger export",
    summary: "write the ledger to a file: its entries, or its charges as FOCUS 1.2",
    positionals: [
      { name: "FILE", doc: "a name in .csv, .ndjson or .parquet, or - for standard output" },
    ],
    flags: [
      { name: "as", placeholder: "csv|ndjson|parquet", doc: "the form; default: as FILE is named" },
      { name: "focus", doc: "charges by token class in the columns of FOCUS 1.2" },
      {
        name: "each",
        placeholder: "hour|day",
        doc: "with --focus: the charge period; default hour",
      },
      {
        name: "numbers",
        placeholder: "exact|float64",
        doc: "with --focus: exact decimals, or doubles for readers that multiply in them; default exact",
      },
      { name: "kind", placeholder: "KIND,…", doc: "only entries of these kinds" },
      ...FILTER_FLAGS,
      ...SERVER_FLAGS,
    ],
    settings: true,
    load: () => import("../commands/ledger-export.ts"),
  },
  {
    name: "ledger import",
    summary: "take in costs that no model call caused, as CloudEvents; twice counts once",
    positionals: [
      {
        name: "FILE",
        doc: "CloudEvents in JSON: one, an array or one a line; - for standard input",
      },
    ],
    flags: SERVER_FLAGS,
    settings: true,
    load: () => import("../commands/ledger-import.ts"),
  },
  {
    name: "ledger check",
    summary: "prove that the log is whole and that its money adds up",
    positionals: [],
    flags: [],
    settings: true,
    load: () => import("../commands/ledger-check.ts"),
  },
  {
    name: "migrate",
    summary: "bring the tables of the ledger's Postgres to this version; a start does it too",
    positionals: [],
    flags: [],
    settings: true,
    load: () => import("../commands/migrate.ts"),
  },
];
