import { type Profiler as Format, Session } from "node:inspector/promises";

import { percent } from "./row.ts";

/** Where the time of a process goes, by what the work is for. */
export type Part = "codec" | "grpc" | "evaluation" | "state" | "log" | "gc" | "rest";

/** Microseconds by part, idle time left out; `functions` is the same by single function, dearest first. */
export interface Profile {
  readonly parts: Readonly<Record<Part, number>>;
  readonly busyUs: number;
  readonly functions: readonly (readonly [where: string, us: number])[];
}

const INTERVAL_US = 250;

/** A function belongs to the first part whose mark its place holds; others to what called them. */
const MARKS: readonly (readonly [mark: RegExp, part: Part])[] = [
  [
    /^wasm:|engine\/policy\/(evaluate|check-verdict|build-input)\.ts|opa-wasm|judge\.ts:(evaluate|inputOf)$/,
    "evaluation",
  ],
  [/adapters\/memory\//, "state"],
  [/adapters\/embedded\/|engine\/record\//, "log"],
  [/grpc\/(codec|to-|from-)|proto\/gen|protobufjs/, "codec"],
  [/@grpc\/|adapters\/grpc\/|node:(internal\/)?(http2|net|stream)/, "grpc"],
  [/^(engine|adapters)\//, "rest"],
];

/** Profiles what runs between its start and its stop. */
export class CpuProfiler {
  readonly #session = new Session();

  async start(): Promise<void> {
    this.#session.connect();
    await this.#session.post("Profiler.enable");
    await this.#session.post("Profiler.setSamplingInterval", { interval: INTERVAL_US });
    await this.#session.post("Profiler.start");
  }

  async stop(): Promise<Profile> {
    const { profile } = await this.#session.post("Profiler.stop");
    this.#session.disconnect();
    return summarize(profile);
  }
}

interface Place {
  readonly part: Part | "idle" | null;
  readonly where: string;
}

function summarize(profile: Format.Profile): Profile {
  const parents = new Map<number, number>();
  for (const node of profile.nodes)
    for (const child of node.children ?? []) parents.set(child, node.id);
  const places = new Map(profile.nodes.map((node) => [node.id, placeOf(node.callFrame)]));
  const partOf = (id: number): Part | "idle" => {
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) {
      const part = places.get(at)?.part ?? null;
      if (part !== null) return part;
    }
    return "rest";
  };
  const parts: Record<Part, number> = {
    codec: 0,
    evaluation: 0,
    gc: 0,
    grpc: 0,
    log: 0,
    rest: 0,
    state: 0,
  };
  const functions = new Map<string, number>();
  let busyUs = 0;
  profile.samples?.forEach((id, index) => {
    const us = profile.timeDeltas?.[index] ?? 0;
    const part = partOf(id);
    if (part === "idle") return;
    busyUs += us;
    parts[part] += us;
    const where = places.get(id)?.where ?? "";
    functions.set(where, (functions.get(where) ?? 0) + us);
  });
  const dearest = [...functions].toSorted(([, one], [, other]) => other - one);
  return { busyUs, functions: dearest, parts };
}

function placeOf(frame: Format.ProfileNode["callFrame"]): Place {
  const name = frame.functionName;
  if (name === "(idle)" || frame.url === "node:inspector") return { part: "idle", where: name };
  if (name === "(garbage collector)") return { part: "gc", where: name };
  const place = `${frame.url.replace(/^file:\/\//, "").replace(ROOT, "")}:${name}`;
  const part = MARKS.find(([mark]) => mark.test(place))?.[1] ?? null;
  return { part, where: frame.url.startsWith("wasm:") ? "policy.wasm" : place };
}

const ROOT = new URL("../../", import.meta.url).pathname;

const DEAREST = 6;

/** What explains a miss: the functions that took most time themselves. */
export function dearestOf(profile: Profile): string {
  return profile.functions
    .slice(0, DEAREST)
    .map(([where, us]) => `${where} ${percent(us, profile.busyUs)}`)
    .join(", ");
}

/** The shares of some parts in words, what is left named "rest". */
export function sharesOf(profile: Profile, shown: readonly Part[]): string {
  const share = (us: number) => percent(us, profile.busyUs);
  const named = shown.map((part) => `${part} ${share(profile.parts[part])}`);
  const others = profile.busyUs - shown.reduce((sum, part) => sum + profile.parts[part], 0);
  return [...named, `rest ${share(others)}`].join(", ");
}
