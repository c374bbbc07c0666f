import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

import { providePython } from "../support/peer.ts";

const REQUIREMENTS = ["anthropic==2.13.0", "httpx==0.28.1", "openai==3.57.0", "setuptools==80.9.0"];
const SDK = join(import.meta.dirname, "../../adapters/sdk/python");

/** What the Python process is to do, in scenarios.py's words. */
export interface Scenario {
  readonly kind: string;
  readonly [name: string]: unknown;
}

/** What it said of it. */
export interface Outcome {
  readonly decision_id: string;
  readonly effect?: string;
  readonly model?: string;
  readonly text?: string;
  readonly error?: string;
  readonly message?: string;
  readonly results?: readonly Outcome[];
  readonly [name: string]: unknown;
}

/** A Python process with the SDK as pip installs it and the providers' own libraries. */
export class Python {
  readonly #folder = mkdtempSync(join(tmpdir(), "weir-python-"));
  readonly #program: string;
  readonly #installed: string;
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;

  constructor() {
    this.#program = providePython(REQUIREMENTS);
    this.#installed = this.#install();
    this.#child = spawn(this.#program, ["-u", join(import.meta.dirname, "scenarios.py")], {
      env: { ...process.env, PYTHONPATH: this.#installed },
      stdio: ["pipe", "pipe", "ignore"],
    });
    const lines = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream });
    this.#answers = lines[Symbol.asyncIterator]();
  }

  /** Performs a scenario; one after the other. */
  async perform(scenario: Scenario): Promise<Outcome> {
    this.#child.stdin?.write(`${JSON.stringify(scenario)}\n`);
    const { done, value } = await this.#answers.next();
    if (done === true) throw new Error("the Python process has ended");
    return JSON.parse(value) as Outcome;
  }

  /** Runs a script of its own; what it printed. */
  async run(script: string, environment: Readonly<Record<string, string>>): Promise<string> {
    const { stdout } = await promisify(execFile)(this.#program, ["-c", script], {
      env: { ...process.env, ...environment, PYTHONPATH: this.#installed },
    });
    return stdout;
  }

  close(): void {
    this.#child.stdin?.end();
    rmSync(this.#folder, { recursive: true });
  }

  /** Built in a copy: a build leaves its traces beside the sources. */
  #install(): string {
    const [copy, target] = [join(this.#folder, "sdk"), join(this.#folder, "installed")];
    cpSync(SDK, copy, { recursive: true });
    const options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index"];
    execFileSync(this.#program, ["-m", "pip", "install", ...options, "--target", target, copy]);
    return target;
  }
}
