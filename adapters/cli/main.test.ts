import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { OTHER_VARIABLES, SETTINGS, variableOf } from "../config/settings.ts";
import { COMMON_FLAGS, SETTING_FLAGS } from "./arguments.ts";
import { COMMANDS } from "./commands.ts";
import { fakeTerminal } from "./fake-terminal.ts";
import { runWeir } from "./main.ts";

const EXAMPLES = join(import.meta.dirname, "../../examples");

let cwd: string;
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), "weir-cli-"));
});
afterEach(() => rmSync(cwd, { recursive: true }));

const weir = async (
  words: string,
  options: { env?: Record<string, string>; input?: string } = {},
) => {
  const terminal = fakeTerminal(cwd, options.env, options.input);
  const argv = words === "" ? [] : words.split(" ");
  const exit = await runWeir(argv, terminal);
  return { exit, printed: terminal.printed.join("\n"), noted: terminal.noted.join("\n") };
};

describe("help", () => {
  it("lists every command, flag, setting and variable", async () => {
    const { exit, printed } = await weir("--help");
    expect(exit).toBe(0);
    for (const { name, summary, flags } of COMMANDS) {
      expect(printed).toContain(`  ${name}`);
      expect(printed).toContain(summary);
      for (const flag of flags) expect(printed).toContain(`--${flag.name}`);
    }
    for (const flag of [...COMMON_FLAGS, ...SETTING_FLAGS]) {
      expect(printed).toContain(`--${flag.name}`);
      expect(printed).toContain(flag.doc);
    }
    for (const { name } of Object.values(SETTINGS)) expect(printed).toContain(variableOf(name));
    for (const variable of Object.keys(OTHER_VARIABLES)) expect(printed).toContain(variable);
  });

  it("explains one command, in three ways, and a group", async () => {
    const { printed } = await weir("help key create");
    expect(printed).toContain("usage: weir key create --principal NAME");
    expect((await weir("key create --help")).printed).toBe(printed);
    expect((await weir("key create -h")).printed).toBe(printed);
    expect((await weir("help key")).printed).toContain("weir key revoke ID");
    expect((await weir("key --help")).printed).toContain("weir key revoke ID");
  });

  it("is what one gets for nothing, as an error", async () => {
    const { exit, printed, noted } = await weir("");
    expect([exit, printed]).toEqual([2, ""]);
    expect(noted).toContain("usage: weir COMMAND");
  });

  it("has a module for every command", async () => {
    for (const { load } of COMMANDS) expect(await load()).toHaveProperty("run");
  });
});

describe("usage errors", () => {
  it.each([
    ["strat", "unknown command strat; the nearest valid one is start"],
    ["help strat", "unknown command strat; the nearest valid one is start"],
    ["key", "key is not complete; accepted are key create, key list, key revoke"],
    [
      "start --grcp-listen x",
      "start has no flag --grcp-listen; the nearest valid one is --grpc-listen",
    ],
    ["version --data x", "version has no flag --data"],
    ["start -x", "start has no flag -x"],
    ["start --mode", "--mode needs a value: --mode enforce|shadow"],
    ["start --mode --data x", "--mode needs a value"],
    ["start --mode shadow --mode=enforce", "--mode is given twice"],
    ["decide a.json --embedded=yes", "--embedded takes no value"],
    ["decide", "FILE is missing; usage: weir decide FILE"],
    ["decide a b", "b is too much; usage: weir decide FILE"],
    ["key create", "key create needs --principal NAME"],
    [
      "start --mode off",
      'mode: "off" (flag --mode) is not accepted; accepted is one of enforce, shadow',
    ],
  ])("%s", async (words, message) => {
    const plain = await weir(words);
    expect([plain.exit, plain.printed]).toEqual([2, ""]);
    expect(plain.noted).toContain(`weir: ${message}`);
    const json = await weir(`${words} --json`);
    expect([json.exit, json.noted]).toEqual([2, ""]);
    expect(JSON.parse(json.printed)).toMatchObject({ error: { message: expect.any(String) } });
  });
});

describe("keys", () => {
  it("are made, listed and revoked", async () => {
    const made = await weir("key create --principal search-service --note ci --json");
    const { id, key } = JSON.parse(made.printed) as { id: string; key: string };
    expect(key).toMatch(/^weir_/);
    expect((await weir("key list")).printed).toMatch(
      new RegExp(`^${id}  search-service .* valid  ci$`),
    );
    expect((await weir(`key revoke ${id}`)).printed).toBe(`key ${id} is revoked`);
    expect(JSON.parse((await weir("key list --json")).printed)).toMatchObject({
      keys: [{ id, principal: "search-service", revoked_at_ms: expect.any(Number) }],
    });
  });

  it("print the key alone on standard output", async () => {
    const { printed, noted } = await weir("key create --principal=p");
    expect(printed).toMatch(/^weir_[0-9a-f_]+$/);
    expect(noted).toContain("not shown again");
  });

  it("of a principal that the bundle does not have are made with a warning", async () => {
    const { exit, noted } = await weir("key create --principal search-servise");
    expect(exit).toBe(0);
    expect(noted).toContain(
      "the policy bundle has no principal search-servise, so its calls are refused (auth.denied); the nearest is search-service",
    );
    expect((await weir("key create --principal search-service")).noted).not.toContain("bundle");
  });
});

describe("decide --embedded", () => {
  it.each([
    ["allow", "allow"],
    ["agent-step", "allow"],
    ["reroute-overkill-model", "reroute"],
    ["reroute-confidential-data", "reroute"],
    ["block-restricted-data", "block"],
    ["block-missing-attribution", "block"],
    ["block-unknown-model", "block"],
  ])("%s is %s", async (name, effect) => {
    const { exit, printed } = await weir(`decide ${join(EXAMPLES, name)}.json --embedded --json`);
    expect([exit, JSON.parse(printed)]).toMatchObject([0, { effect }]);
  });

  it("reads standard input and every form of request, and prints text", async () => {
    const intent = {
      id: "i",
      attribution: { tenant: "acme" },
      operation: "chat",
      model: "a:b",
      tokens: { input: 1 },
    };
    for (const json of [intent, { intent }, { input: { intent } }]) {
      const { printed } = await weir("decide - --embedded", { input: JSON.stringify(json) });
      expect(printed).toMatch(/^BLOCK {2}a:b/);
    }
  });

  it("names what is wrong with a file", async () => {
    writeFileSync(join(cwd, "a.json"), '{"id": ');
    writeFileSync(join(cwd, "b.json"), '{"idd": 1, "modle": 2}');
    expect((await weir("decide a.json --embedded")).noted).toContain("weir: a.json is not JSON");
    expect((await weir("decide c.json --embedded")).noted).toBe(
      "weir: c.json: there is no such file",
    );
    const { exit, noted } = await weir("decide b.json --embedded");
    expect(exit).toBe(1);
    expect(noted).toContain("  intent.modle: unknown field; the nearest valid one is model");
    const json = JSON.parse((await weir("decide b.json --embedded --json")).printed) as object;
    expect(json).toMatchObject({ error: { code: "intent.invalid", violations: [{}, {}] } });
  });
});

it("says how to get a service where none answers", async () => {
  const { exit, noted } = await weir(`decide ${EXAMPLES}/allow.json --server 127.0.0.1:1`);
  expect(exit).toBe(1);
  expect(noted).toContain("no service answers at 127.0.0.1:1");
});

it("prints its version", async () => {
  expect((await weir("--version")).printed).toMatch(/^weir \d+\.\d+\.\d+ \(node /);
  expect(JSON.parse((await weir("version --json")).printed)).toHaveProperty("version");
});
