import { existsSync } from "node:fs";
import { extname } from "node:path";
import type { Command, CommandModule, Flag } from "./command.ts";
import { AUDIT_COMMANDS, WHY_COMMAND } from "./groups/audit.ts";
import { BUNDLE_COMMANDS } from "./groups/bundle.ts";
import { ENVOY_COMMANDS } from "./groups/envoy.ts";
import { LEDGER_COMMANDS } from "./groups/ledger.ts";
import { PRICE_COMMANDS } from "./groups/prices.ts";
import { POLICY_COMMANDS } from "./groups/policy.ts";
import { VELOCITY_COMMANDS } from "./groups/velocity.ts";
import { STATE_COMMANDS } from "./groups/state.ts";
import { reportCommands } from "./groups/report.ts";
import { SERVER_FLAGS } from "./server-flags.ts";

const TENANT: Flag = { name: "tenant", placeholder: "T", mandatory: true, doc: "tenant" };
const FROZEN_TENANT: Flag = { ...TENANT, doc: 'tenant; "*" for the whole platform' };
const WHY: Flag = {
  name: "why",
  placeholder: "TEXT",
  mandatory: true,
  doc: "the reason, for the record and for those it hits",
};
const SCOPE = {
  name: "SCOPE",
  doc: "'*' for every call of the tenant, or team:x, feature:x, user:x, model:provider:x, run:x, …",
};
const BUDGET = { name: "ID", doc: "id of the budget" };

/** What operators do at a running service. */
const OPERATOR_COMMANDS: readonly Command[] = [
  {
    name: "freeze",
    summary: "stop every call in a scope at once",
    positionals: [SCOPE],
    flags: [FROZEN_TENANT, WHY, ...SERVER_FLAGS],
    settings: true,
    load: () => import("./commands/freeze.ts"),
  },
  {
    name: "unfreeze",
    summary: "lift a freeze",
    positionals: [SCOPE],
    flags: [FROZEN_TENANT, WHY, ...SERVER_FLAGS],
    settings: true,
    load: () => import("./commands/unfreeze.ts"),
  },
  {
    name: "freeze list",
    summary: "list what is frozen, since when and why",
    positionals: [],
    flags: [
      { name: "tenant", placeholder: "T", doc: "one tenant; default: all that you operate" },
      ...SERVER_FLAGS,
    ],
    settings: true,
    load: () => import("./commands/freeze-list.ts"),
  },
  {
    name: "budget list",
    summary: "list what is used of a tenant's budgets, the fullest first",
    positionals: [],
    flags: [TENANT, ...SERVER_FLAGS],
    settings: true,
    load: () => import("./commands/budget-list.ts"),
  },
  {
    name: "budget show",
    summary: "show one budget: its limit, its instances, its grants",
    positionals: [BUDGET],
    flags: [TENANT, ...SERVER_FLAGS],
    settings: true,
    load: () => import("./commands/budget-show.ts"),
  },
  {
    name: "budget grant",
    summary: "raise a budget for a time",
    positionals: [BUDGET],
    flags: [
      TENANT,
      {
        name: "amount",
        placeholder: "USD",
        mandatory: true,
        doc: "by how much: USD, or as in 5000tokens or 20calls for a budget in those",
      },
      {
        name: "until",
        placeholder: "WHEN",
        mandatory: true,
        doc: "how long, as in 90m, 2h, 3d or 1w, or a time as in 2026-12-01T18:00Z",
      },
      WHY,
      ...SERVER_FLAGS,
    ],
    settings: true,
    load: () => import("./commands/budget-grant.ts"),
  },
  {
    name: "velocity top",
    summary: "show where a tenant spends fastest right now",
    positionals: [],
    flags: [
      TENANT,
      { name: "top", placeholder: "N", doc: "how many scopes; default 20" },
      ...SERVER_FLAGS,
    ],
    settings: true,
    load: () => import("./commands/velocity-top.ts"),
  },
];

/** Every command, in the order of help. */
export const COMMANDS: readonly Command[] = [
  {
    name: "start",
    summary: "run the service until Ctrl-C",
    positionals: [],
    flags: [],
    settings: true,
    load: () => import("./commands/start.ts"),
  },
  ...whereShipped({
    name: "demo",
    summary: "watch Weir decide 2,000 calls of a real trace, with trouble in them",
    positionals: [],
    flags: [
      {
        name: "seed",
        placeholder: "N",
        doc: "seed of everything that is drawn; the same seed, the same decisions; default 1",
      },
      { name: "calls", placeholder: "N", doc: "calls taken from the trace; default 2000" },
      {
        name: "trace",
        placeholder: "FILE",
        doc: "another trace of the form TIMESTAMP,ContextTokens,GeneratedTokens",
      },
      {
        name: "speed",
        placeholder: "N",
        doc: "show N seconds of the trace a second; default: as fast as it goes",
      },
      {
        name: "data",
        placeholder: "DIR",
        doc: "keep the data folder; a demo that was killed there goes on",
      },
    ],
    settings: false,
    file: "demo",
  }),
  {
    name: "decide",
    summary: "ask for the decision on one intent",
    positionals: [{ name: "FILE", doc: "an intent as JSON, or - for standard input" }],
    flags: [
      { name: "embedded", doc: "decide in this process with a fresh state; nothing is kept" },
      ...SERVER_FLAGS,
    ],
    settings: true,
    load: () => import("./commands/decide.ts"),
  },
  ...reportCommands(SERVER_FLAGS),
  WHY_COMMAND,
  ...OPERATOR_COMMANDS,
  ...BUNDLE_COMMANDS,
  ...POLICY_COMMANDS,
  ...VELOCITY_COMMANDS,
  {
    name: "key create",
    summary: "make an API key and show it, once",
    positionals: [],
    flags: [
      {
        name: "principal",
        placeholder: "NAME",
        mandatory: true,
        doc: "whom the key proves; the bundle says what it may claim",
      },
      { name: "note", placeholder: "TEXT", doc: "what the key is for" },
    ],
    settings: true,
    load: () => import("./commands/key-create.ts"),
  },
  {
    name: "key list",
    summary: "list the API keys, without the keys themselves",
    positionals: [],
    flags: [],
    settings: true,
    load: () => import("./commands/key-list.ts"),
  },
  {
    name: "key revoke",
    summary: "end an API key, for running services too",
    positionals: [{ name: "ID", doc: "id of the key, as key list shows it" }],
    flags: [{ name: "why", placeholder: "TEXT", doc: "the reason, for the record" }],
    settings: true,
    load: () => import("./commands/key-revoke.ts"),
  },
  ...LEDGER_COMMANDS,
  ...PRICE_COMMANDS,
  ...STATE_COMMANDS,
  ...AUDIT_COMMANDS,
  ...ENVOY_COMMANDS,
  ...whereShipped({
    name: "bench",
    summary: "measure this machine",
    positionals: [],
    flags: [],
    settings: false,
    file: "bench",
  }),
  {
    name: "version",
    summary: "print the version",
    positionals: [],
    flags: [],
    settings: false,
    load: () => import("./commands/version.ts"),
  },
];

/** A command whose module some distributions leave out. */
function whereShipped(
  command: Omit<Command, "load"> & { readonly file: string },
): readonly Command[] {
  const { file, ...declared } = command;
  // A module of the sources is .ts; the compiled package has .js, as this file has then.
  const url = new URL(`./commands/${file}${extname(import.meta.url)}`, import.meta.url);
  if (!existsSync(url)) return [];
  return [{ ...declared, load: () => import(url.href) as Promise<CommandModule> }];
}
