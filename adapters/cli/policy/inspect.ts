import { decodeProtectedHeader } from "jose";

import type { BundleData } from "../../../engine/policy/bundle-data.ts";
import { type BundleArchive, SIGNATURES } from "../../bundles/archive.ts";
import type { Invocation } from "../command.ts";
import { EXIT } from "../exit.ts";
import { harmless, type Style, styleOf } from "../style.ts";
import { renderTable } from "../table.ts";
import { counted } from "./count.ts";
import { type ReadBundle, readBundle } from "./read-bundle.ts";

/** Shows what a bundle holds: rules, data, and what it was made and signed with. */
export async function run({ json, positionals, terminal }: Invocation): Promise<number> {
  const read = readBundle(positionals["BUNDLE"] ?? "", terminal);
  terminal.print(json ? toJson(read) : toText(read, positionals["BUNDLE"] ?? "", terminal.color));
  return EXIT.ok;
}

interface Manifest {
  readonly roots?: readonly string[];
  readonly metadata: {
    readonly weir: {
      readonly opa_version?: string;
      readonly wasm_sha256: string;
      readonly data_sha256: string;
    };
  };
}

function toJson({ archive, bundle, files }: ReadBundle): string {
  const { metadata, roots = [] } = JSON.parse(files.manifest) as Manifest;
  const { data_sha256, opa_version = "", wasm_sha256 } = metadata.weir;
  return JSON.stringify({
    revision: bundle.revision,
    digest: bundle.digest,
    wasm_sha256,
    data_sha256,
    opa_version,
    roots,
    signed: signatureOf(archive),
    entries: entriesOf(bundle.data),
    rules: Object.entries(bundle.rules).map(([code, rule]) => ({
      code,
      ...rule,
      mode: bundle.data.modes.rules[code] ?? "",
    })),
  });
}

function toText({ archive, bundle, files }: ReadBundle, name: string, color: boolean): string {
  const style = styleOf(color);
  const { metadata, roots = [] } = JSON.parse(files.manifest) as Manifest;
  const signed = signatureOf(archive);
  const row = (label: string, text: string): string =>
    `  ${style.faint(label.padEnd(10))}${harmless(text)}`;
  const entries = Object.entries(entriesOf(bundle.data));
  return [
    `${style.bold(harmless(name))}, revision ${harmless(bundle.revision)}`,
    row("digest", bundle.digest),
    row("made by", `OPA ${metadata.weir.opa_version ?? "of an unknown version"}`),
    row(
      "holds",
      `policy.wasm ${kilobytes(files.wasm.length)}, data.json ${kilobytes(files.data.length)}`,
    ),
    row("roots", roots.join(", ")),
    row(
      "signed",
      signed === null
        ? "no"
        : `${signed.algorithm}, key ${signed.key_id || "without an id"}; weir policy verify checks it`,
    ),
    row("data", entries.map(([section, count]) => `${section} ${count}`).join(", ")),
    "",
    counted(Object.keys(bundle.rules).length, "rule"),
    ...ruleTable(bundle, style),
  ].join("\n");
}

function ruleTable({ data, rules }: ReadBundle["bundle"], style: Style): readonly string[] {
  const columns = ["code", "kind", "severity", "mode", "title"].map((title) => ({ title }));
  const rows = Object.entries(rules).map(([code, { kind, severity, title }]) => [
    code,
    kind,
    severity,
    data.modes.rules[code] ?? "",
    title,
  ]);
  return renderTable(columns, rows, style).split("\n");
}

/** How many entries a section of the configuration has. */
function entriesOf(data: BundleData): Readonly<Record<string, number>> {
  const counts = Object.entries(data).flatMap(([name, section]): [string, number][] => {
    if (name === "prices") return [[name, data.prices.rows.length]];
    if (Array.isArray(section)) return [[name, section.length]];
    return typeof section === "object" ? [[name, Object.keys(section as object).length]] : [];
  });
  return Object.fromEntries(counts);
}

/** What a signature says of itself; nothing here trusts it. */
function signatureOf(
  archive: BundleArchive,
): { readonly algorithm: string; readonly key_id: string } | null {
  const text = archive.get(SIGNATURES)?.toString("utf8");
  if (text === undefined) return null;
  try {
    const [token = ""] = (JSON.parse(text) as { readonly signatures: readonly string[] })
      .signatures;
    const { alg, kid } = decodeProtectedHeader(token);
    return { algorithm: alg ?? "", key_id: kid ?? "" };
  } catch {
    return { algorithm: "unreadable", key_id: "" };
  }
}

function kilobytes(bytes: number): string {
  return `${Math.ceil(bytes / 1_000)} kB`;
}
