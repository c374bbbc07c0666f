import { hash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { answered, type RedisClient, unavailable } from "./connection.ts";
import type { Replicas } from "./replicas.ts";

const FOLDER = join(import.meta.dirname, "scripts");

/** Where scripts run, and the replicas that must have what they wrote. */
export interface ScriptHost {
  readonly client: RedisClient;
  readonly replicas: Replicas;
}

export type Value = string | number | bigint | boolean;

/** What a script is called with: keys and arguments, in the order in which it takes them. */
export class ScriptCall {
  readonly keys: string[] = [];
  readonly values: string[] = [];

  key(...keys: readonly (string | null)[]): this {
    for (const key of keys) if (key !== null) this.keys.push(key);
    return this;
  }

  value(...values: readonly Value[]): this {
    for (const value of values) {
      this.values.push(typeof value === "boolean" ? (value ? "1" : "0") : String(value));
    }
    return this;
  }
}

/** Strings come as bytes: some are packed figures. */
export type ReplyPart = Buffer | number | null | readonly ReplyPart[];
export type ScriptReply = readonly ReplyPart[];

/** One script, sent by its digest; a server that does not know it (any more) is sent its text. */
export class Script {
  readonly text: string;
  readonly digest: string;

  constructor(name: string) {
    this.text = load(name);
    this.digest = hash("sha1", this.text);
  }

  /** @throws WeirError `state.unavailable`, whatever went wrong */
  async run(on: ScriptHost, call: ScriptCall): Promise<ScriptReply> {
    try {
      return await send(on, call, "evalsha", this.digest);
    } catch (thrown) {
      const isUnknown = thrown instanceof Error && thrown.message.startsWith("NOSCRIPT");
      if (!isUnknown) throw unavailable(thrown);
      return answered(send(on, call, "eval", this.text));
    }
  }
}

async function send(
  { client, replicas }: ScriptHost,
  { keys, values }: ScriptCall,
  command: "eval" | "evalsha",
  script: string,
): Promise<ScriptReply> {
  const parameters = [script, String(keys.length), ...keys, ...values];
  const reply = client.callBuffer(command, parameters) as Promise<ScriptReply>;
  const [key = ""] = keys;
  const [answer] = await Promise.all([reply, replicas.have(key)]);
  return answer;
}

/**
 * The text of a script; a line `--- @include name` is replaced by include/name.lua. Constants, lines such
 * as `local NAME = 1`, are written where they are used: a script is run anew for every call, and each
 * local that a function of it uses costs time.
 */
function load(name: string): string {
  const constants = new Map<string, string>();
  const text = read(`${name}.lua`).replaceAll(
    /^local ([A-Z][A-Z_]+) = ([0-9]+)\n/gm,
    (_, constant: string, value: string) => {
      constants.set(constant, value);
      return "";
    },
  );
  return text.replaceAll(/\b[A-Z][A-Z_]+\b/g, (word) => constants.get(word) ?? word);
}

function read(path: string): string {
  return readFileSync(join(FOLDER, path), "utf8").replaceAll(
    /^--- @include ([a-z]+)$/gm,
    (_, name: string) => read(`include/${name}.lua`),
  );
}
