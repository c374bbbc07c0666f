import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, delimiter, dirname, join, relative } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";

import { afterAll, beforeAll, expect, test } from "vitest";

// Goal: what `npm pack` makes works for somebody who has nothing but npm. Method: pack a copy of the
// checkout, install the archive into an empty project, and use it there as its README says.

const ROOT = join(import.meta.dirname, "../..");
const folder = mkdtempSync(join(tmpdir(), "weir-package-"));
const checkout = join(folder, "checkout");
const project = join(folder, "project");
let packed: readonly string[] = [];
let service: ChildProcess | undefined;

beforeAll(async () => {
  copyCheckout();
  const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", folder], checkout);
  const [archive] = JSON.parse(stdout.slice(stdout.indexOf("["))) as {
    filename: string;
    files: { path: string }[];
  }[];
  packed = archive?.files.map(({ path }) => path) ?? [];
  mkdirSync(project);
  writeFileSync(
    join(project, "package.json"),
    '{ "name": "project", "private": true, "type": "module" }\n',
  );
  const quiet = ["--prefer-offline", "--no-audit", "--no-fund"];
  await run("npm", ["install", ...quiet, join(folder, archive?.filename ?? "")], project);
}, 400_000);

afterAll(() => {
  signal("SIGKILL");
  rmSync(folder, { force: true, recursive: true });
});

test("the archive holds compiled files, their types and what they read; no sources, tests or tools", () => {
  const surplus = packed.filter((path) => path.endsWith(".ts") && !path.endsWith(".d.ts"));
  expect(surplus).toEqual([]);
  expect(
    packed.filter((path) => /\.test\.|\/testing\/.*\.js|fake-|\.csv\.|^node_modules/.test(path)),
  ).toEqual([]);
  for (const path of [
    "adapters/cli/weir.js",
    "dist/adapters/serve.js",
    "dist/adapters/redis/scripts/include/window.lua",
    "dist/adapters/redis/scripts/reserve.lua",
    "dist/adapters/serve.d.ts",
    "dist/adapters/cli/policy/scaffold/policies/org/rules/projects/projects.rego",
    "dist/adapters/cli/policy/scaffold/cases/closed-project.json",
    "dist/adapters/opa/compiler/opac.wasm.br",
    "dist/bundles/starter/.manifest",
    "dist/bundles/starter/data.json",
    "dist/bundles/starter/policy.wasm",
    "dist/engine/pipeline.js",
    "dist/policies/capabilities.json",
    "dist/policies/schemas/case.json",
    "dist/policies/schemas/input.json",
    "dist/policies/weir/main.rego",
    "dist/policies/weir/testing/fixture_test.rego",
    "dist/proto/gen/weir.d.ts",
    "dist/proto/gen/weir.js",
    "dist/proto/weir/v1/decision_service.proto",
    "docs/errors.md",
  ]) {
    expect(packed).toContain(path);
  }
});

test("its exports have types that a strict compiler takes, and that are right", async () => {
  writeFileSync(
    join(project, "use.ts"),
    `import { startService, type Service } from "weir";
import { connect } from "weir/client";
import { loadConfig } from "weir/config";
import { createWeir } from "weir/engine";
import { type ErrorCode, WeirError } from "weir/errors";
import { weir } from "weir/proto";
import { type CallDecision, openWeir } from "weir/sdk";
import { aiMiddleware } from "weir/sdk/ai";
import { openWeir as openEdge } from "weir/sdk/edge";
import { langchainCallbacks } from "weir/sdk/langchain";

const sdk = openWeir({ defaults: { tenant: "acme" } });
export const seen: CallDecision[] = [];
export const made = [aiMiddleware(sdk), langchainCallbacks(openEdge({ server: "http://localhost:7351" }))];
const config = await loadConfig({ cwd: ".", env: {}, flags: {} });
const service: Service = await startService(config);
const decision: weir.v1.Decision = await connect({ address: "localhost:7350" }).decide({ id: "i" });
const code: ErrorCode = new WeirError("internal", "").code;
// @ts-expect-error a port is a number
const port: string = service.grpc.port;
export { code, createWeir, decision, port };
`,
  );
  const compiler = join(ROOT, "node_modules/typescript/bin/tsc");
  const types = ["--types", "node", "--typeRoots", join(ROOT, "node_modules/@types")];
  const strict = [
    "--strict",
    "--noEmit",
    "--module",
    "nodenext",
    "--target",
    "es2024",
    "--lib",
    "es2024",
  ];
  await run(process.execPath, [compiler, ...strict, ...types, "use.ts"], project);
});

test("its exports can be loaded", async () => {
  const names = ["", "/client", "/config", "/engine", "/errors", "/proto"];
  names.push("/sdk", "/sdk/ai", "/sdk/edge", "/sdk/langchain");
  const script = `
    const names = ${JSON.stringify(names)};
    const loaded = await Promise.all(names.map((name) => import("weir" + name)));
    console.log(loaded.map((one) => Object.keys(one).length > 0).join());
    console.log(import.meta.resolve("weir/proto/intent.proto").endsWith("dist/proto/weir/v1/intent.proto"));`;
  const { stdout } = await run(
    process.execPath,
    ["--input-type=module", "--eval", script],
    project,
  );
  expect(stdout).toBe(`${names.map(() => "true").join()}\ntrue\n`);
});

test("the SDK that was installed guards a call, from a service that was", async () => {
  const script = `
    import { startService } from "weir";
    import { loadConfig } from "weir/config";
    import { openWeir } from "weir/sdk";
    const flags = { "grpc-listen": "127.0.0.1:0", "http-listen": "127.0.0.1:0", data: "sdk-data" };
    const service = await startService(await loadConfig({ cwd: ".", env: {}, flags }));
    const defaults = { costCenter: "cc-100", environment: "prod", feature: "answers", service: "search-api", team: "search", tenant: "acme" };
    const settled = [];
    const weir = openWeir({ defaults, onSettled: ({ status }) => settled.push(status), server: "127.0.0.1:" + service.grpc.port });
    const usage = { input: 10, output: 5 };
    const value = await weir.guard({ input: 10, model: "openai:gpt-5-mini" }, async ({ effect }) => ({ usage, value: effect }));
    console.log(value, await weir.close(), settled.join());
    await service.stop();`;
  const { stdout } = await run(process.execPath, ["--input-type=module", "-e", script], project);
  expect(stdout).toBe("allow true settled\n");
});

test("npx weir policy new makes policies that pass npx weir policy check", async () => {
  await run("npx", ["weir", "policy", "new", "ours"], project);
  const checked = await run("npx", ["weir", "policy", "check", "--json", "--dir", "ours"], project);
  expect(JSON.parse(checked.stdout)).toEqual({ ok: true, faults: [], warnings: [] });
}, 300_000);

test("npx weir start, decide and stop; the ledger is sound", async () => {
  const ports = ["--grpc-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0"];
  // A group of its own: npx hands a signal to its shell alone, where Ctrl-C reaches all of them.
  service = spawn("npx", ["weir", "start", "--json", ...ports], {
    cwd: project,
    detached: true,
    env: cleanEnv(),
  });
  const noted = text(service.stderr as NodeJS.ReadableStream);
  const lines = createInterface({ input: service.stdout as NodeJS.ReadableStream });
  const [line] = (await once(lines, "line")) as [string];
  const started = JSON.parse(line) as {
    readonly grpc: string;
    readonly http: string;
    readonly bundle: { readonly folder: string };
  };
  expect(relative(project, started.bundle.folder)).toBe("node_modules/weir/dist/bundles/starter");
  expect((await fetch(`http://${started.http}/readyz`)).status).toBe(200);

  cpSync(join(ROOT, "examples/allow.json"), join(project, "intent.json"));
  const decided = await run(
    "npx",
    ["weir", "decide", "--json", "--server", started.grpc, "intent.json"],
    project,
  );
  expect(JSON.parse(decided.stdout)).toMatchObject({ effect: "allow", replayed: false });

  const exited = once(service, "exit");
  signal("SIGTERM");
  await exited;
  expect(await noted).toContain("stopped; the log is flushed");
  service = undefined;
  const checked = await run("npx", ["weir", "ledger", "check", "--json"], project);
  expect(JSON.parse(checked.stdout)).toMatchObject({ decisions: 1, sound: true });
});

/** Everything that is not made, with the checkout's packages; so no build of another meets this one. */
function copyCheckout(): void {
  const left = new Set([".cache", ".git", "dist", "node_modules", "weir-data"]);
  cpSync(ROOT, checkout, { filter: (source) => !left.has(basename(source)), recursive: true });
  symlinkSync(join(ROOT, "node_modules"), join(checkout, "node_modules"));
}

function signal(name: NodeJS.Signals): void {
  if (service?.pid !== undefined) process.kill(-service.pid, name);
}

/** This process's environment without what npm tells the scripts it runs, and this Node first. */
function cleanEnv(): Record<string, string> {
  const inherited = Object.entries(process.env).filter(
    ([name]) =>
      !/^(npm_(?!config_(registry|cache)$)|WEIR_|VITEST|NODE_OPTIONS|INIT_CWD)/.test(name),
  );
  const path = [dirname(process.execPath), process.env["PATH"]].join(delimiter);
  return {
    ...(Object.fromEntries(inherited) as Record<string, string>),
    PATH: path,
    XDG_CACHE_HOME: join(folder, "cache"),
  };
}

async function run(
  command: string,
  args: readonly string[],
  cwd: string,
): Promise<{ stdout: string }> {
  try {
    return await promisify(execFile)(command, args, { cwd, env: cleanEnv(), maxBuffer: 64 << 20 });
  } catch (thrown) {
    const { stdout = "", stderr = "" } = thrown as { stdout?: string; stderr?: string };
    throw new Error(`${command} ${args.join(" ")} failed:\n${stdout}${stderr}`, { cause: thrown });
  }
}
