import type { Command, Flag } from "../command.ts";

const BUNDLE = { name: "BUNDLE", doc: "a bundle: a folder, or a .tar.gz archive" };
const ALGORITHM: Flag = {
  name: "algorithm",
  placeholder: "ALG",
  doc: "of the signature; default: the key's own (RS256, ES256, EdDSA); HS256 for a shared secret",
};

/** What authors of policies do; no service is needed. */
export const POLICY_COMMANDS: readonly Command[] = [
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
