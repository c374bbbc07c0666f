import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, expect, it } from "vitest";

const WEIR = join(import.meta.dirname, "weir.js");
const FREE_PORTS = ["--grpc-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0"];

let cwd: string;
let children: ChildProcess[];
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), "weir-start-"));
  children = [];
});
afterEach(() => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(cwd, { recursive: true });
});

interface Started {
  readonly child: ChildProcess;
  readonly http: string;
  readonly noted: Promise<string>;
  readonly exit: Promise<unknown>;
}

async function start(): Promise<Started> {
  const argv = [WEIR, "start", "--json", ...FREE_PORTS];
  const child = spawn(process.execPath, argv, { cwd, stdio: ["ignore", "pipe", "pipe"] });
  children.push(child);
  const noted = text(child.stderr);
  const exit = once(child, "exit").then(([code]) => code as unknown);
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  const { http } = JSON.parse(line.toString()) as { readonly http: string };
  return { child, http, noted, exit };
}

it("prints one JSON document, drains at the first signal and ends with 0", async () => {
  const { child, http, noted, exit } = await start();
  expect((await fetch(`http://${http}/readyz`)).status).toBe(200);
  child.kill("SIGTERM");
  expect(await exit).toBe(0);
  expect(await noted).toMatch(
    /^SIGTERM: answering what is in flight[^]*stopped; the log is flushed\n$/,
  );
});

it("ends at once at the second signal", async () => {
  const { child, http, noted, exit } = await start();
  const [host, port] = http.split(":");
  const socket = connect(Number(port), host);
  socket.on("error", () => {});
  socket.write("POST /v1/data/weir/decision HTTP/1.1\r\n");
  await once(socket, "connect");
  const startMs = performance.now();
  child.kill("SIGINT");
  await once(child.stderr as NodeJS.ReadableStream, "data");
  child.kill("SIGINT");
  expect(await exit).toBe(1);
  expect(performance.now() - startMs).toBeLessThan(5_000);
  expect(await noted).toContain("SIGINT again: stopped at once");
});

it("ends with 2 and one line where the configuration is wrong", () => {
  const run = () =>
    execFileSync(process.execPath, [WEIR, "start", "--mode", "off"], { cwd, stdio: "pipe" });
  expect(run).toThrow(/Command failed[^]*\nweir: mode: "off" \(flag --mode\) is not accepted/);
});
