import { readFile } from "node:fs/promises";
import { resolve } from "node:path";

import { WeirError } from "../../engine/errors.ts";
import { LIMITS } from "../../engine/limits.ts";
import type { Terminal } from "./terminal.ts";

/** Reads a file named on the command line, or standard input for "-", as JSON; else `intent.invalid`. */
export async function readJson(terminal: Terminal, file: string): Promise<unknown> {
  const text =
    file === "-" ? await terminal.readInput() : await readText(resolve(terminal.cwd, file), file);
  if (Buffer.byteLength(text) > LIMITS.messageBytes) {
    throw invalid(`${file} is too large; at most ${LIMITS.messageBytes} bytes are accepted`);
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw invalid(`${file} is not JSON: ${(cause as Error).message}`);
  }
}

/** A request to the service, over gRPC or OPA-style, is accepted as well as the bare intent. */
export function unwrapIntent(json: unknown): unknown {
  const only = (value: unknown, key: string): unknown =>
    typeof value === "object" && value !== null && Object.keys(value).join() === key
      ? (value as Record<string, unknown>)[key]
      : value;
  return only(only(json, "input"), "intent");
}

async function readText(absolute: string, file: string): Promise<string> {
  try {
    return await readFile(absolute, "utf8");
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === "ENOENT";
    throw invalid(`${file}: ${missing ? "there is no such file" : (cause as Error).message}`);
  }
}

function invalid(message: string): WeirError {
  return new WeirError("intent.invalid", message);
}
