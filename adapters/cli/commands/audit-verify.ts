import { resolve } from "node:path";

import { type NoteVerifier, readVerifier } from "../../../engine/audit/note.ts";
import { type Verified, verifyPath } from "../../serve/audit-verify.ts";
import { type Invocation, UsageError } from "../command.ts";
import { EXIT } from "../exit.ts";
import { harmless, type Style, styleOf } from "../style.ts";

/** Proves a log, away from the service that wrote it; exit code 1 if it is not sound. */
export function run({ flags, json, positionals, terminal }: Invocation): Promise<number> {
  const path = resolve(terminal.cwd, positionals["PATH"] ?? "");
  const key = verifierOf(flags, "key", "ed25519");
  const witness = verifierOf(flags, "witness", "cosignature");
  const trust = { keys: key === null ? [] : [key], witness };
  const found = verifyPath(path, trust, flags["evaluate"] !== undefined);
  terminal.print(
    json
      ? toJson(found)
      : toText(found, { isPinned: key !== null, style: styleOf(terminal.color), witness }),
  );
  return Promise.resolve(found.problems.length === 0 ? EXIT.ok : EXIT.fault);
}

/** A public key given as a flag; null: none was given. */
export function verifierOf(
  flags: Invocation["flags"],
  name: string,
  kind: NoteVerifier["kind"],
): NoteVerifier | null {
  const text = flags[name];
  if (text === undefined) return null;
  const verifier = readVerifier(text);
  if (verifier?.kind === kind) return verifier;
  const what = kind === "ed25519" ? "the key of a log" : "the key of a witness";
  throw new UsageError(`--${name} ${harmless(text)} is not ${what}, as in NAME+HASH+BASE64`);
}

function toJson({ checkpoints, problems, records }: Verified): string {
  return JSON.stringify({ records, checkpoints, ok: problems.length === 0, problems });
}

interface Shown {
  readonly isPinned: boolean;
  readonly style: Style;
  readonly witness: NoteVerifier | null;
}

function toText(found: Verified, { isPinned, style, witness }: Shown): string {
  const { evaluated, origin, problems, records, witnessed } = found;
  const isSound = problems.length === 0;
  const head = isSound
    ? style.green(`the ${found.what} is sound`)
    : style.red(
        `the ${found.what} is NOT sound: ${problems.length} problem${problems.length === 1 ? "" : "s"}`,
      );
  const lines = [
    style.bold(head),
    `  log        ${origin === "" ? "" : `${harmless(origin)}, `}${records} records`,
    ...signedLines(found, isPinned),
    ...(witness === null
      ? []
      : [`  witness    ${harmless(witness.name)} signed ${spanTo(witnessed)}`]),
    ...(evaluated === null ? [] : [`  evaluated  ${evaluated} recorded inputs again`]),
    ...problems.map(
      ({ at, what }) => `  ${style.red("problem")}    ${harmless(at)}: ${harmless(what)}`,
    ),
  ];
  return lines.join("\n");
}

function signedLines(found: Verified, isPinned: boolean): readonly string[] {
  const { checkpoints, keys, records, signed } = found;
  if (checkpoints === 0)
    return ["  signed     nothing: there is no checkpoint, only checksums were compared"];
  const whose = isPinned
    ? "the key you gave, and those it vouches for"
    : "the key that the log itself names; say with --key which one you trust";
  return [
    `  signed     ${spanTo(signed)}, in ${checkpoints} checkpoints`,
    ...(signed < records
      ? [`             no checkpoint covers records ${signed + 1} to ${records}`]
      : []),
    `  by         ${whose}`,
    ...keys.map((key) => `             ${harmless(key)}`),
  ];
}

function spanTo(record: number): string {
  return record === 0 ? "no record" : `records 1 to ${record}`;
}
