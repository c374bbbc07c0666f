import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { CAPABILITIES, expectResult, inTemporaryFolder } from "./compile.ts";
import { type Answer, runCompiler } from "./compiler.ts";
import type { SourceFacts } from "./facts.ts";
import { describeFaults, KINDS, type SourceFault } from "./manifest.ts";

/** What a check of policies found. */
export interface Check {
  /** In the order of files and lines. */
  readonly faults: readonly SourceFault[];
  readonly facts: SourceFacts;
}

/**
 * Checks `policies/` below `root`: OPA's strict check against schemas and the functions that WASM has,
 * OPA's format, the data against its schemas, and what Weir asks of rules.
 */
export async function checkPolicies(root: string): Promise<Check> {
  return inTemporaryFolder(async (out) => {
    const data = dataSchemas(root);
    writeFileSync(join(out, "schemas.json"), JSON.stringify([data.map(({ schema }) => schema)]));
    const [checked, formatted, told, matched] = await runCompiler({ "/": root, "/out": out }, [
      ["check", "policies", "policies/schemas", CAPABILITIES],
      ["fmt", "policies"],
      ["facts", "policies"],
      ["eval", "policies", matchQuery(data), "/out/schemas.json", "/out/matches.json"],
    ]);
    const compiled = compileFaults(checked);
    // Sources that do not parse tell nothing more, and each command would say so once more.
    if (told === undefined || told.errors.length > 0) return { facts: NO_FACTS, faults: compiled };
    const facts = expectResult(told) as SourceFacts;
    const matches = (matched?.errors.length ?? 1) === 0 ? read(join(out, "matches.json")) : [];
    const faults = [
      ...compiled,
      ...formatFaults(formatted),
      ...describeFaults(facts.rules),
      ...headFaults(facts),
      ...mockFaults(facts),
      ...dataFaults(root, data, (matches as readonly (readonly Match[])[])[0] ?? []),
      ...strayData(root),
    ];
    return { facts, faults: faults.toSorted(byPlace) };
  });
}

const NO_FACTS: SourceFacts = { calls: [], heads: [], mocks: [], rules: [] };

function byPlace(a: SourceFault, b: SourceFault): number {
  if (a.file !== b.file) return a.file < b.file ? -1 : 1;
  return a.row - b.row;
}

/** OPA's errors are "FILE:ROW: KIND: text", a fault in a file that is no source has no row. */
export function compileFaults(answer: Answer | undefined): readonly SourceFault[] {
  return (answer?.errors ?? []).map((text) => {
    const [, file = "", row = "", message = ""] =
      /^(\S+?):(\d+): (?:rego_\w+: )?([^]*)$/.exec(text) ?? [];
    if (file === "") return { file: "policies", message: text, row: 1 };
    return { file, message: withAdvice(message), row: Number(row) };
  });
}

const INSTEAD: Readonly<Record<string, string>> = {
  sprintf: 'a template string does: $"{x} of {y}"',
  "time.now_ns": "the time is input.now_ms",
};

function withAdvice(message: string): string {
  const [, name] = /undefined function (\S+)/.exec(message) ?? [];
  if (name === undefined) return message.trim();
  const advice = INSTEAD[name];
  const why = `${message.trim()}: WASM has no such built-in function`;
  return advice === undefined ? why : `${why}; ${advice}`;
}

function formatFaults(answer: Answer | undefined): readonly SourceFault[] {
  if (answer === undefined || answer.errors.length > 0) return [];
  const { places } = answer.result as { places: readonly { file: string; row: number }[] };
  const message = "not in OPA's format from here; weir policy check --fix formats it";
  return places.map(({ file, row }) => ({ file, message, row }));
}

/** A finding that nothing collects would be a rule that never acts, without a word. */
function headFaults({ heads }: SourceFacts): readonly SourceFault[] {
  return heads.flatMap((head, index): SourceFault[] => {
    const { package: name, rule, shape, code, file, row } = head;
    const isConcern = /^(org|weir)\.rules\.\w+$/.test(name);
    const isFinding = KINDS.includes(rule);
    const at = (message: string): SourceFault[] => [{ file, message, row }];
    if (!/^(org|weir)(\.|$)/.test(name)) {
      const isFirst = heads.findIndex((one) => one.file === file) === index;
      const where = "packages of yours are org.rules.NAME or below org.lib";
      return isFirst ? at(`package ${name} is not collected; ${where}`) : [];
    }
    if (isFinding && !isConcern && name.startsWith("org."))
      return at(`package ${name} is not collected; a concern is org.rules.NAME`);
    if (isFinding && isConcern && shape !== "set")
      return at(
        `${rule} makes one ${shape}, findings are a set: ${rule} contains finding.of(…) if`,
      );
    if (code !== "" && isConcern && !isFinding)
      return at(`${rule} has a code and makes no finding; accepted are ${KINDS.join(", ")}`);
    return [];
  });
}

function mockFaults({ mocks }: SourceFacts): readonly SourceFault[] {
  return mocks.map(({ file, row, name }) => ({
    file,
    message: `${name} is mocked before input or data, which loses the mock in WASM; mock functions last`,
    row,
  }));
}

/** A part of the data and the schema that describes it. */
interface DataSchema {
  /** As in ["org", "house"]. */
  readonly path: readonly string[];
  readonly file: string;
  readonly schema: unknown;
}

/** `schemas/config.json` describes data.config, `schemas/org/NAME.json` describes data.org.NAME. */
function dataSchemas(root: string): readonly DataSchema[] {
  const folder = join(root, "policies/schemas");
  const schemaOf = (path: readonly string[]): DataSchema => {
    const file = `policies/schemas/${path.join("/")}.json`;
    return { file, path, schema: read(join(root, file)) };
  };
  const own = existsSync(join(folder, "org")) ? readdirSync(join(folder, "org")) : [];
  const names = own.filter((name) => name.endsWith(".json")).map((name) => name.slice(0, -5));
  return [schemaOf(["config"]), ...names.toSorted().map((name) => schemaOf(["org", name]))];
}

/** One list a schema: empty where there is no such data, else the answer of OPA's own validator. */
function matchQuery(data: readonly DataSchema[]): string {
  const each = data.map(({ path }, index) => {
    const at = path.map((step) => `["${step}"]`).join("");
    return `[m | m := json.match_schema(data${at}, input[${index}])]`;
  });
  return `[${each.join(", ")}]`;
}

type Match = readonly (readonly [
  boolean,
  readonly { readonly field: string; readonly desc: string }[],
])[];

function dataFaults(
  root: string,
  data: readonly DataSchema[],
  matches: readonly Match[],
): readonly SourceFault[] {
  return data.flatMap(({ file, path }, index): SourceFault[] => {
    const [match] = matches[index] ?? [];
    if (match === undefined) {
      return [{ file, message: `describes data.${path.join(".")}, which is not there`, row: 1 }];
    }
    return match[1].map(({ desc, field }) => {
      const steps = field === "(root)" ? [] : field.split(".");
      const where = [...path, ...steps];
      return { ...placeOf(root, where), message: `data.${where.join(".")}: ${desc}` };
    });
  });
}

/** The data file that holds a path, and the line where its last name stands first. */
function placeOf(root: string, path: readonly string[]): { file: string; row: number } {
  for (let depth = path.length; depth > 0; depth -= 1) {
    const file = `policies/${path.slice(0, depth).join("/")}/data.json`;
    if (!existsSync(join(root, file))) continue;
    const name = path.findLast((step) => !/^\d+$/.test(step)) ?? "";
    const lines = readFileSync(join(root, file), "utf8").split("\n");
    const row = lines.findIndex((line) => line.includes(`"${name}"`));
    return { file, row: Math.max(row, 0) + 1 };
  }
  return { file: "policies", row: 1 };
}

/** Data of an organisation without a schema, or where rules stand. */
function strayData(root: string): readonly SourceFault[] {
  const org = join(root, "policies/org");
  if (!existsSync(org)) return [];
  const files = readdirSync(org, { recursive: true, encoding: "utf8" });
  return files
    .filter((file) => /(^|[/\\])data\.(json|ya?ml)$/.test(file))
    .flatMap((found): SourceFault[] => {
      const path = found.replaceAll("\\", "/");
      const file = `policies/org/${path}`;
      const [name = ""] = path.split("/");
      if (!path.includes("/") || name === "rules") {
        return [
          { file, message: "data of your own goes into policies/org/NAME/data.json", row: 1 },
        ];
      }
      if (existsSync(join(root, `policies/schemas/org/${name}.json`))) return [];
      return [{ file, message: `has no schema; add policies/schemas/org/${name}.json`, row: 1 }];
    });
}

function read(file: string): unknown {
  return JSON.parse(readFileSync(file, "utf8"));
}
