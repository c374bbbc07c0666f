import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { chownSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { Client } from "pg";

import { freePort, providePeer } from "./peer.ts";

/** A Postgres of a test's own, in a folder of its own. */
export interface TestPostgres {
  /** URL of a database that was made for the asker; each call makes another. */
  database(): Promise<string>;
  /** Kills the server as a crash would; what was committed is kept. */
  kill(): Promise<void>;
  /** Starts it again on the same port. */
  start(): Promise<void>;
  /** Stops answering, keeps its connections and what it is sent meanwhile. */
  pause(): void;
  resume(): void;
  close(): Promise<void>;
}

/** The account that Postgres runs as: it refuses to be root. */
const NOBODY = { gid: 65_534, uid: 65_534 };

/** Starts a Postgres on a free port; a machine without one gets it, or the test says how. */
export async function startTestPostgres(): Promise<TestPostgres> {
  const initdb = providePeer({ aptPackage: "postgresql", program: "initdb" });
  const programs = dirname(initdb);
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), "weir-postgres-"));
  const account = process.getuid?.() === 0 ? NOBODY : {};
  if ("uid" in account) chownSync(folder, NOBODY.uid, NOBODY.gid);
  const data = join(folder, "data");
  const init = ["-D", data, "-U", "weir", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"];
  execFileSync(initdb, init, { ...account, stdio: "ignore" });
  let server: ChildProcess | null = null;
  let databases = 0;
  const urlOf = (name: string): string => `postgres://weir@127.0.0.1:${port}/${name}`;
  const start = async (): Promise<void> => {
    // A killed process loses nothing that the system holds for it: forcing to the disk is for power loss.
    const settings = {
      fsync: "off",
      listen_addresses: "127.0.0.1",
      port,
      unix_socket_directories: folder,
    };
    const flags = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    server = spawn(join(programs, "postgres"), ["-D", data, ...flags], {
      ...account,
      detached: true,
      stdio: "ignore",
    });
    await untilAnswers(urlOf("postgres"));
  };
  /** To the server and every process it made: they share its process group. */
  const signal = (name: NodeJS.Signals): void => {
    if (server?.pid !== undefined && server.exitCode === null) process.kill(-server.pid, name);
  };
  const end = async (name: NodeJS.Signals): Promise<void> => {
    const running = server;
    if (running === null || running.exitCode !== null || running.signalCode !== null) return;
    const exited = new Promise((resolve) => running.once("exit", resolve));
    signal("SIGCONT");
    signal(name);
    await exited;
  };
  await start();
  return {
    close: async () => {
      await end("SIGQUIT");
      rmSync(folder, { force: true, recursive: true });
    },
    database: async () => {
      databases += 1;
      const name = `ledger${databases}`;
      const client = new Client({ connectionString: urlOf("postgres") });
      await client.connect();
      await client.query(`CREATE DATABASE ${name}`);
      await client.end();
      return urlOf(name);
    },
    kill: () => end("SIGKILL"),
    pause: () => signal("SIGSTOP"),
    resume: () => signal("SIGCONT"),
    start,
  };
}

async function untilAnswers(url: string): Promise<void> {
  for (const untilMs = Date.now() + 60_000; ;) {
    const client = new Client({ connectionString: url });
    client.on("error", () => undefined);
    try {
      await client.connect();
      await client.query("SELECT 1");
      await client.end();
      return;
    } catch (thrown) {
      await client.end().catch(() => undefined);
      if (Date.now() > untilMs) throw thrown;
      await sleep(50);
    }
  }
}
