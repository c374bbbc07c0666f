import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";

/** A module of this folder run as a process of its own, spoken to by messages, one question at a time. */
export class Child {
  readonly #process: ChildProcess;

  constructor(module: string, parameters: readonly string[], execArgv: readonly string[] = []) {
    this.#process = fork(join(import.meta.dirname, module), [...parameters], {
      execArgv: [...execArgv],
      serialization: "advanced",
      // Standard output is the benchmark's own.
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
  }

  /** Sends a question, if there is one, and waits for the next message. */
  ask<Answer>(question?: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const ended = (code: number | null) =>
        reject(new Error(`${this.#process.spawnargs[1]} ended with ${code}`));
      this.#process.once("exit", ended);
      this.#process.once("message", (answer) => {
        this.#process.off("exit", ended);
        resolve(answer as Answer);
      });
      if (question !== undefined) this.#process.send(question);
    });
  }

  /** Tells it to end by closing the channel, and waits until it has. */
  async close(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#process.once("exit", resolve));
    if (this.#process.connected) this.#process.disconnect();
    await ended;
  }
}
