import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join, normalize, relative, sep } from "node:path";

import { describe, expect, test } from "vitest";

import { COMMON_FLAGS, SETTING_FLAGS } from "../adapters/cli/arguments.ts";
import { COMMANDS } from "../adapters/cli/commands.ts";
import { renderCommandHelp, renderHelp } from "../adapters/cli/help.ts";
import { flagOf, OTHER_VARIABLES, SETTINGS, variableOf } from "../adapters/config/settings.ts";
import { GRPC_CODES } from "../adapters/grpc/status.ts";
import { STATUS_BY_CODE, STATUS_BY_PROBLEM } from "../adapters/http/status.ts";
import { ERROR_CODES } from "../engine/errors.ts";
import { status } from "@grpc/grpc-js";

// Goal: the rules of ARCHITECTURE.md that no linter keeps. Method: read the files as they lie here.

const ROOT = join(import.meta.dirname, "..");
const MADE = new Set([".cache", ".git", "coverage", "dist", "node_modules", "weir-data"]);

function walk(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (MADE.has(name)) return [];
    return statSync(path).isDirectory() ? walk(path) : [relative(ROOT, path).split(sep).join("/")];
  });
}

const FILES = walk(ROOT).toSorted();
const read = (file: string): string => readFileSync(join(ROOT, file), "utf8");
const isTest = (file: string): boolean =>
  /\.test\.ts$|^test\/|\/testing\/|\/fake-|\/arbitraries\.ts$/.test(file);
const TYPESCRIPT = FILES.filter((file) => file.endsWith(".ts") && !file.startsWith("proto/gen/"));
const SOURCES = TYPESCRIPT.filter((file) => !isTest(file));
const TEXTS = FILES.filter((file) =>
  /\.(cjs|csv|go|js|json|md|mod|proto|rego|ts|ya?ml)$|^\.ci\/|^\.[a-z]+(rc\.json)?$/.test(file),
);

interface Import {
  readonly from: string;
  /** A file of this repository, or the name of a package. */
  readonly to: string;
  readonly typeOnly: boolean;
}

/** Imports, exports from and literal dynamic imports. */
function importsOf(file: string): Import[] {
  const text = read(file);
  const found = [
    ...text.matchAll(/^(?:import|export)\s+(type\s+)?(?:[^;"']*?\sfrom\s+)?"([^"]+)"/gm),
    ...text.matchAll(/\bimport\((\s*)"([^"]+)"\)/g),
  ];
  return found.map(([, type, target = ""]) => ({
    from: file,
    to: target.startsWith(".")
      ? normalize(join(dirname(file), target))
          .split(sep)
          .join("/")
      : target,
    typeOnly: (type ?? "").startsWith("type"),
  }));
}

const IMPORTS = new Map(TYPESCRIPT.map((file) => [file, importsOf(file)]));
const importsFrom = (prefix: string): Import[] =>
  [...IMPORTS].flatMap(([file, imports]) =>
    file.startsWith(prefix) && !isTest(file) ? imports : [],
  );
const shown = ({ from, to }: Import): string => `${from} -> ${to}`;

describe("the arrow", () => {
  test("the engine imports itself and Node's crypto and module, nothing else", () => {
    const outside = importsFrom("engine/").filter(
      ({ to }) => !/^(engine\/|node:(crypto|module)$)/.test(to),
    );
    expect(outside.map(shown)).toEqual([]);
  });

  // What runs goes from higher to lower rank. Types may point up: an intent's claims are typed by the
  // bundle that holds them, a hold by the ledger that posts it. A file that imports nothing (canonical
  // text) may be used from everywhere.
  const RANK: Readonly<Record<string, number>> = {
    provider: 0,
    intent: 0,
    pricing: 1,
    reservation: 2,
    velocity: 2,
    policy: 3,
    decision: 4,
    record: 5,
    ledger: 6,
    audit: 7,
    operator: 7,
  };
  const stageOf = (path: string): string => path.split("/")[1] ?? "";

  test("every folder of the engine is a stage with a rank", () => {
    const folders = readdirSync(join(ROOT, "engine"), { withFileTypes: true }).filter((entry) =>
      entry.isDirectory(),
    );
    expect(folders.map(({ name }) => name).toSorted()).toEqual(Object.keys(RANK).toSorted());
  });

  test("a stage runs only what has its rank or a lower one", () => {
    const upward = importsFrom("engine/").filter(({ from, to, typeOnly }) => {
      const [own, other] = [RANK[stageOf(from)], RANK[stageOf(to)]];
      if (typeOnly || own === undefined || other === undefined) return false;
      return other > own && (IMPORTS.get(to) ?? []).length > 0;
    });
    expect(upward.map(shown)).toEqual([]);
  });

  test("what reads the providers' formats runs nothing but itself and the ground", () => {
    const outside = importsFrom("engine/provider/").filter(
      ({ to, typeOnly }) =>
        !typeOnly && !/^engine\/(provider\/|(errors|limits|money)\.ts$)/.test(to),
    );
    expect(outside.map(shown)).toEqual([]);
  });

  test("no stage runs the pipeline, and errors, limits, money and ports run no stage", () => {
    const ground = /^engine\/(errors|limits|money|ports|weir)\.ts$/;
    const wrong = importsFrom("engine/").filter(({ from, to, typeOnly }) => {
      if (typeOnly) return false;
      return to === "engine/pipeline.ts" || (ground.test(from) && !ground.test(to));
    });
    expect(wrong.map(shown)).toEqual([]);
  });

  // serve puts everything together, the command line uses it; both are composition. config is read by
  // both. A file at the top of adapters that imports no adapter (nearest.ts) serves any of them.
  const COMPOSITION = new Set(["build", "cli", "serve"]);
  const unitOf = (path: string): string => (path.split("/")[1] ?? "").replace(/\.ts$/, "");

  test("an adapter imports the engine, the proto and itself, never another adapter", () => {
    const across = importsFrom("adapters/").filter(({ from, to }) => {
      if (!/^(adapters|engine|proto|policies|test)\//.test(to)) return false;
      if (/^(engine\/|proto\/(codec\.ts|gen\/))/.test(to)) return false;
      if (!to.startsWith("adapters/")) return true;
      const isLeaf =
        to.split("/").length === 2 &&
        !(IMPORTS.get(to) ?? []).some((one) => one.to.startsWith("adapters/"));
      return unitOf(from) !== unitOf(to) && !COMPOSITION.has(unitOf(from)) && !isLeaf;
    });
    expect(across.map(shown)).toEqual([]);
  });

  test("the SDK imports itself, the proto and what reads the providers' formats, nothing else of ours", () => {
    const own =
      /^(adapters\/sdk\/|engine\/provider\/|proto\/(codec\.ts|gen\/)|@grpc\/grpc-js$|node:async_hooks$)/;
    const outside = importsFrom("adapters/sdk/").filter(({ to }) => !own.test(to));
    expect(outside.map(shown)).toEqual([]);
  });

  test("what runs on the edge needs nothing but the web's own interfaces", () => {
    const seen = new Set<string>();
    const outside: string[] = [];
    const visit = (file: string): void => {
      if (seen.has(file)) return;
      seen.add(file);
      for (const one of IMPORTS.get(file) ?? []) {
        if (one.typeOnly) continue;
        if (one.to.endsWith(".ts")) visit(one.to);
        else outside.push(shown(one));
      }
    };
    for (const entry of ["edge", "ai-middleware", "langchain"]) visit(`adapters/sdk/${entry}.ts`);
    expect(outside).toEqual([]);
    expect(seen.size).toBeGreaterThan(20);
  });

  test("nobody imports the command line, and only it and tests import serve", () => {
    const wrong = importsFrom("adapters/").filter(
      ({ from, to }) =>
        (unitOf(to) === "cli" && unitOf(from) !== "cli") ||
        (unitOf(to) === "serve" && !COMPOSITION.has(unitOf(from))),
    );
    expect(wrong.filter(({ to }) => to.startsWith("adapters/")).map(shown)).toEqual([]);
  });

  test("no source imports a test", () => {
    const sources = SOURCES.filter((file) => !file.endsWith(".config.ts"));
    const wrong = sources
      .flatMap((file) => IMPORTS.get(file) ?? [])
      .filter(({ to }) => /^[^/]+\//.test(to) && isTest(to));
    expect(wrong.map(shown)).toEqual([]);
  });
});

describe("names and sizes", () => {
  test("no folder or file is named after nothing", () => {
    const empty =
      /^(common|constants|helpers?|impl|interfaces|managers?|misc|shared|types|utils?)(\..*)?$/;
    expect(FILES.filter((file) => file.split("/").some((part) => empty.test(part)))).toEqual([]);
  });

  test("files are named in the manner of their language", () => {
    const manner: Readonly<Record<string, RegExp>> = {
      proto: /^[a-z0-9]+(_[a-z0-9]+)*\.proto$/,
      rego: /^[a-z0-9]+(_[a-z0-9]+)*\.rego$/,
      ts: /^[a-z0-9]+(-[a-z0-9]+)*(\.(build|config|d|test))?\.ts$/,
    };
    const odd = FILES.filter(
      (file) => manner[file.split(".").at(-1) ?? ""]?.test(basename(file)) === false,
    );
    expect(odd).toEqual([]);
  });

  // One store is one state machine: its transitions are easier to check in one place.
  const LONG_SOURCES = new Set(["adapters/memory/state-store.ts"]);
  const linesOf = (file: string): number => read(file).split("\n").length - 1;

  test("sources have at most 300 lines, tests at most 600", () => {
    const long = TYPESCRIPT.filter((file) => linesOf(file) > (isTest(file) ? 600 : 300));
    expect(long.filter((file) => !LONG_SOURCES.has(file))).toEqual([]);
    expect(
      [...LONG_SOURCES].filter((file) => !long.includes(file)),
      "no longer long",
    ).toEqual([]);
  });

  test("only configuration files have a default export", () => {
    const having = FILES.filter(
      (file) => /\.[cm]?[jt]s$/.test(file) && /^export default /m.test(read(file)),
    );
    expect(having.filter((file) => !file.endsWith(".config.ts"))).toEqual([]);
  });
});

describe("what a file must not hold", () => {
  const mentions = (pattern: RegExp, except: RegExp = /^$/): string[] =>
    TEXTS.filter((file) => !except.test(file)).flatMap((file) =>
      read(file)
        .split("\n")
        .flatMap((line, index) => (pattern.test(line) ? [`${file}:${index + 1}`] : [])),
    );

  test("notes to oneself", () => {
    // Spelled so that this file does not hold them.
    const notes = /\b(T[O]DO|FIX[M]E|X[X]X|H[A]CK)\b/;
    expect(mentions(notes, /^package-lock\.json$/)).toEqual([]);
  });

  test("a place on somebody's machine", () => {
    expect(mentions(/(?<![\w.:/-])\/(home|mnt|root|Users|work)(\/|\b(?!\/))/)).toEqual([]);
    expect(mentions(/\.\.\/(shared|reference)\//)).toEqual([]);
  });

  test("where packages were fetched from", () => {
    const lock = read("package-lock.json");
    const hosts = [...lock.matchAll(/"resolved": "https?:\/\/([^/"]+)/g)].map(([, host]) => host);
    expect([...new Set(hosts)].filter((host) => host !== "registry.npmjs.org")).toEqual([]);
    expect(existsSync(join(ROOT, ".npmrc"))).toBe(false);
  });

  test("an edit by hand of what is generated", () => {
    const generated = FILES.filter((file) => /^proto\/gen\/.*\.(js|ts)$/.test(file));
    expect(generated).not.toEqual([]);
    for (const file of generated)
      expect(read(file), file).toMatch(/^\/\/ Generated by proto\/generate\.ts\. Do not edit\.\n/);
    expect(read(".gitattributes")).toMatch(/^proto\/gen\/\*\* linguist-generated/m);
  });
});

describe("documents and code say the same", () => {
  /** Rows of the tables of a document, cells without backquotes. */
  const rowsOf = (file: string): string[][] =>
    read(file)
      .split("\n")
      .filter((line) => line.startsWith("| `"))
      .map((line) =>
        line
          .slice(1, -1)
          .split("|")
          .map((cell) => cell.trim().replaceAll("`", "")),
      );

  test("docs/errors.md holds every code with its meaning, its gRPC code, its HTTP status and what to do", () => {
    const rows = rowsOf("docs/errors.md").filter(([code]) => !code?.startsWith("http."));
    const codes = Object.entries(ERROR_CODES) as [keyof typeof ERROR_CODES, string][];
    expect(rows.map((row) => row.slice(0, 4))).toEqual(
      codes.map(([code, meaning]) => [
        code,
        meaning,
        status[GRPC_CODES[code]],
        String(STATUS_BY_CODE[code]),
      ]),
    );
    expect(rows.filter((row) => !["after", "no", "yes"].includes(row[4] ?? ""))).toEqual([]);
  });

  test("docs/errors.md holds what HTTP itself refuses", () => {
    const rows = rowsOf("docs/errors.md").filter(([code]) => code?.startsWith("http."));
    const problems = Object.entries(STATUS_BY_PROBLEM).map(([code, number]) => [
      code,
      String(number),
    ]);
    expect(rows.map(([code, , number]) => [code, number])).toEqual(problems);
    expect(
      rows.filter((row) => row.length !== 4 || !["after", "no", "yes"].includes(row[3] ?? "")),
    ).toEqual([]);
  });

  const help = [renderHelp(COMMANDS), ...COMMANDS.map(renderCommandHelp)].join("\n");
  const manuals = FILES.filter((file) => file.endsWith(".md") && !file.startsWith("adapters/opa/"));

  test("help names every command, every flag and every setting in each of its forms", () => {
    for (const { name } of COMMANDS) expect(help).toContain(`weir ${name}:`);
    const flags = [
      ...COMMON_FLAGS,
      ...SETTING_FLAGS,
      ...COMMANDS.flatMap((command) => command.flags),
    ];
    for (const { name } of flags) expect(help).toMatch(new RegExp(`--${name}\\b`));
    for (const { name } of Object.values(SETTINGS)) {
      for (const form of [
        `--${flagOf(name)} `,
        `variable ${variableOf(name)};`,
        `key ${name} in the file`,
      ]) {
        expect(help).toContain(form);
      }
    }
    for (const name of Object.keys(OTHER_VARIABLES)) expect(help).toContain(name);
  });

  test("no document names a command, a flag or a variable of weir that is none", () => {
    const known = new Set([...help.matchAll(/--[a-z][a-z-]*/g)].map(([flag]) => flag));
    const clients = FILES.filter((file) => /^adapters\/sdk\/python\/weir\/\w+\.py$/.test(file)).map(
      read,
    );
    const variables = new Set(
      [help, ...clients].flatMap((text) =>
        [...text.matchAll(/WEIR_[A-Z_]+/g)].map(([name]) => name),
      ),
    );
    const names = COMMANDS.map(({ name }) => name);
    const unknown = manuals.flatMap((file) => {
      const text = read(file);
      const calls = [...text.matchAll(/(?:npx weir|npm run demo --)((?: +[^\s`#|>]+)*)/g)].map(
        ([, words = ""]) => words,
      );
      const flags = calls
        .flatMap((words) => words.match(/--[a-z][a-z-]*/g) ?? [])
        .filter((flag) => !known.has(flag));
      const commands = [...text.matchAll(/npx weir ([a-z][a-z ]*)/g)].map(([, words = ""]) =>
        words.trim(),
      );
      const strange = commands.filter(
        (words) => !names.some((name) => `${words} `.startsWith(`${name} `)),
      );
      const wrong = [...text.matchAll(/\bWEIR_[A-Z_]+/g)]
        .map(([name]) => name)
        .filter((name) => !variables.has(name));
      return [...flags, ...strange, ...wrong].map((name) => `${file}: ${name}`);
    });
    expect(unknown).toEqual([]);
  });

  test("every script that a document names is there", () => {
    const { scripts } = JSON.parse(read("package.json")) as {
      readonly scripts: Readonly<Record<string, string>>;
    };
    const named = manuals.flatMap((file) =>
      [...read(file).matchAll(/npm run ([a-z:]+)/g)].map(([, name]) => `${file}: ${name}`),
    );
    expect(named.filter((one) => scripts[one.split(": ")[1] ?? ""] === undefined)).toEqual([]);
  });

  test("every link of a document leads somewhere", () => {
    const broken = manuals.flatMap((file) =>
      [...read(file).matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)]
        .map(([, target = ""]) => target)
        .filter(
          (target) => !/^[a-z]+:/.test(target) && !existsSync(join(ROOT, dirname(file), target)),
        )
        .map((target) => `${file}: ${target}`),
    );
    expect(broken).toEqual([]);
  });

  test("every invariant has its tests, in its order", () => {
    const [, listed = ""] = /\n## Invariants\n([^]*?)\n## /.exec(read("ARCHITECTURE.md")) ?? [];
    const numbers = [...listed.matchAll(/^(\d+)\. /gm)].map(([, number]) => number);
    expect(numbers).toEqual(["1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    const described = FILES.filter((file) => file.startsWith("test/invariants/")).flatMap(
      (file) => [...read(file).matchAll(/^describe\("invariant (\d+): /gm)],
    );
    expect(described.map(([, number]) => number)).toEqual(numbers);
  });

  test("what the package exports is built from what is here", () => {
    const { bin, exports } = JSON.parse(read("package.json")) as {
      readonly bin: Readonly<Record<string, string>>;
      readonly exports: Readonly<Record<string, string>>;
    };
    const sources = [...Object.values(exports), ...Object.values(bin)].map((path) =>
      path
        .replace(/^\.\//, "")
        .replace(/^dist\//, "")
        .replace(/\*.*$/, ""),
    );
    const missing = sources.filter((path) => {
      const typed = path.replace(/\.js$/, ".ts");
      return !FILES.some(
        (file) => file === path || file === typed || (path.endsWith("/") && file.startsWith(path)),
      );
    });
    expect(missing).toEqual([]);
  });
});
