import type { Command, Flag } from "../command.ts";

const DIR: Flag = {
  name: "dir",
  placeholder: "DIR",
  doc: "the folder that holds policies/; default: here",
};

const BUNDLE = { name: "BUNDLE", doc: "a bundle: a folder, or a .tar.gz archive" };
const ALGORITHM: Flag = {
  name: "algorithm",
  placeholder: "ALG",
  doc: "of the signature; default: the key's own (RS256, ES256, EdDSA); HS256 for a shared secret",
};

/** What authors of policies do; no service is needed. */
export const POLICY_COMMANDS: readonly Command[] = [
  {
    name: "policy new",
    summary: "make a folder for an organisation's own policies",
    positionals: [{ name: "DIR", doc: "a folder that is not there yet, or is empty" }],
    flags: [],
    settings: false,
    load: () => import("../policy/new.ts"),
  },
  {
    name: "policy check",
    summary: "check policies: types, schemas, format, METADATA, what WASM can do",
    positionals: [],
    flags: [DIR, { name: "fix", doc: "put files into OPA's format first" }],
    settings: false,
    load: () => import("../policy/check.ts"),
  },
  {
    name: "policy test",
    summary: "run tests and cases, in OPA and on the compiled policy",
    positionals: [],
    flags: [
      DIR,
      { name: "run", placeholder: "REGEX", doc: "only tests and cases whose full name matches" },
      { name: "cases", placeholder: "DIR", doc: "where case files lie; default: cases in DIR" },
      { name: "junit", placeholder: "FILE", doc: "write the results as JUnit XML, too" },
      { name: "watch", doc: "run again whenever a file changes, until Ctrl-C" },
    ],
    settings: false,
    load: () => import("../policy/test.ts"),
  },
  {
    name: "policy eval",
    summary: "decide one intent or case and show which rules held, and why",
    positionals: [{ name: "FILE", doc: "an intent or a case as JSON, or - for standard input" }],
    flags: [
      DIR,
      { name: "all", doc: "rules that did not hold too, each with the expression it stopped at" },
      { name: "rule", placeholder: "CODE", doc: "only the rule of this code" },
    ],
    settings: false,
    load: () => import("../policy/eval.ts"),
  },
  {
    name: "policy build",
    summary: "compile policies into a bundle that OPA itself agrees with",
    positionals: [],
    flags: [
      DIR,
      { name: "out", placeholder: "DIR", doc: "where the bundle goes; default: bundle" },
      {
        name: "opa",
        placeholder: "PATH",
        doc: "compile and compare with this opa program: faster, the same bytes",
      },
    ],
    settings: false,
    load: () => import("../policy/build.ts"),
  },
  {
    name: "policy diff",
    summary:
      "compare two bundles: rules, data, and what they decide on cases; exit 1 if they differ",
    positionals: [
      { name: "OLD", doc: "a bundle: a folder, or a .tar.gz archive" },
      { name: "NEW", doc: "another" },
    ],
    flags: [
      {
        name: "cases",
        placeholder: "DIR",
        doc: "case files to tell both; default: cases, if there",
      },
    ],
    settings: false,
    load: () => import("../policy/diff.ts"),
  },
  {
    name: "policy replay",
    summary: "judge what a log recorded by another bundle; exit 1 if too much changes",
    positionals: [],
    flags: [
      {
        name: "log",
        placeholder: "DIR",
        mandatory: true,
        doc: "a data folder, or the log in it; a service may be running on it",
      },
      {
        name: "bundle",
        placeholder: "NEW",
        mandatory: true,
        doc: "the candidate: a folder, or a .tar.gz archive",
      },
      {
        name: "accept",
        placeholder: "PERCENT",
        doc: "changes up to this share of the decisions are accepted; default 0",
      },
    ],
    settings: false,
    load: () => import("../policy/replay.ts"),
  },
  {
    name: "policy inspect",
    summary: "show what a bundle holds: rules, data, what made and signed it",
    positionals: [BUNDLE],
    flags: [],
    settings: false,
    load: () => import("../policy/inspect.ts"),
  },
  {
    name: "policy sign",
    summary: "sign a bundle as OPA does; the signature is written into it",
    positionals: [BUNDLE],
    flags: [
      {
        name: "key",
        placeholder: "FILE",
        mandatory: true,
        doc: "private key in PEM, or a shared secret",
      },
      { name: "key-id", placeholder: "ID", doc: "id by which verifiers find the key" },
      { name: "scope", placeholder: "TEXT", doc: "scope that verifiers of the key expect" },
      ALGORITHM,
    ],
    settings: false,
    load: () => import("../commands/policy-sign.ts"),
  },
  {
    name: "policy verify",
    summary: "check that a bundle is as one of the keys signed it",
    positionals: [BUNDLE],
    flags: [
      {
        name: "key",
        placeholder: "FILE",
        mandatory: true,
        doc: "public key or certificate in PEM, a shared secret, or a JSON file of keys by id",
      },
      ALGORITHM,
    ],
    settings: false,
    load: () => import("../commands/policy-verify.ts"),
  },
];
