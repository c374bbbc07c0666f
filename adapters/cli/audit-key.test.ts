import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readVerifier } from "../../engine/audit/note.ts";
import { loadConfig } from "../config.ts";
import { signingKeyOf } from "../embedded/signing-key.ts";
import { openEngine } from "../serve.ts";
import { systemClock } from "../system/clock.ts";
import { startWitness } from "../witness/server.ts";
import { fakeTerminal } from "./fake-terminal.ts";
import { runWeir } from "./main.ts";

let cwd: string;
beforeEach(async () => {
  cwd = mkdtempSync(join(tmpdir(), "weir-audit-key-"));
  await (await openEngine(await loadConfig({ cwd, env: {}, flags: {} }))).close();
});
afterEach(() => rmSync(cwd, { recursive: true }));

const weir = async (...argv: string[]) => {
  const terminal = fakeTerminal(cwd, {}, "ada@example.com\n");
  const exit = await runWeir(argv, terminal);
  return { exit, printed: terminal.printed.join("\n"), noted: terminal.noted.join("\n") };
};
const key = () => signingKeyOf(join(cwd, "weir-data"));

test("another key signs, and a witness that does not answer is told of", async () => {
  const first = key();
  const witness = await startWitness({
    clock: systemClock,
    folder: join(cwd, "witness"),
    host: "127.0.0.1",
    logs: [readVerifier(first) ?? expect.unreachable()],
    name: "w.example/1",
    port: 0,
  });
  await witness.close();
  const settings = [`--witness=http://127.0.0.1:${witness.port}`, `--witness-key=${witness.key}`];
  const rotated = await weir("audit", "key", "--rotate", "--why", "yearly", ...settings);
  expect(rotated.exit).toBe(0);
  expect(rotated.printed).toBe(key());
  expect(rotated.noted).toContain(`${first} has vouched for it`);
  expect(rotated.noted).toMatch(/^a checkpoint could not be signed: .*w\.example\/1/m);
});

test("who was never masked cannot be erased, and a reason is needed", async () => {
  expect(await weir("audit", "erase", "-", "--why", "asked for")).toEqual({
    exit: 1,
    printed: "",
    noted: "weir: this value has no salt: it was never masked here, or is erased already",
  });
  expect((await weir("audit", "erase", "ada", "--why", " ")).noted).toContain(
    "why: 1 to 256 characters are accepted",
  );
});
