import { FORMATS } from "./formats.ts";
import { type BytePatch, JsonEdit, elementsAt, type Span } from "./json-edit.ts";
import type { RequestFacts } from "./request.ts";
import { withPathModel } from "./route.ts";

/** What a decision, or the one who carries it out, changes in a request. */
export interface RequestChanges {
  /** Model to call instead, as the provider names it. */
  readonly model?: string;
  /** Cap on output tokens; a lower one of the request stays. */
  readonly outputMax?: number;
  /** Features to take out: "tools", "web_search". */
  readonly strip?: readonly string[];
  /** Service tier to ask for, where the format has tiers. */
  readonly serviceTier?: string;
  /** Ask for the figures at the end of a stream where the request does not. */
  readonly includeUsage?: boolean;
}

/** The changes as edits of the body and of the path. */
export interface RequestPatch {
  readonly path: string;
  readonly patches: readonly BytePatch[];
  /** Stripped features that this format has no place for; nothing was done for them. */
  readonly unknownStrips: readonly string[];
}

/** The edits that make the changes, every other byte of the body left as it is. */
export function patchRequest(
  request: { readonly facts: RequestFacts; readonly bytes: Uint8Array },
  path: string,
  changes: RequestChanges,
): RequestPatch {
  const { facts, bytes } = request;
  const format = FORMATS[facts.format];
  const edit = new JsonEdit(bytes);
  const { includeUsage = false, model, outputMax = 0, serviceTier, strip = [] } = changes;
  if (model !== undefined && model !== facts.model && facts.modelIn === "body") {
    edit.set(["model"], JSON.stringify(model));
  }
  const removed = new Set(strip.flatMap((feature) => format.stripped[feature] ?? []));
  if (serviceTier !== undefined && TIERED.has(facts.format)) {
    edit.set(["service_tier"], JSON.stringify(serviceTier));
  }
  if (outputMax > 0) cap(edit, bytes, facts, outputMax);
  if (strip.includes("web_search") && !removed.has("tools")) dropSearch(edit, bytes);
  if (removed.size > 0) edit.remove(removed);
  if (includeUsage && facts.stream && !facts.streamTellsUsage && format.includeUsagePath !== null) {
    edit.set(format.includeUsagePath, "true");
  }
  const known = (feature: string): boolean =>
    feature === "web_search" || format.stripped[feature] !== undefined;
  return {
    path: model === undefined || facts.modelIn === "body" ? path : withPathModel(path, model),
    patches: edit.patches(),
    unknownStrips: strip.filter((feature) => !known(feature)),
  };
}

/** Formats whose requests name a tier as obligations do. */
const TIERED: ReadonlySet<string> = new Set(["openai.chat", "openai.responses"]);

function cap(edit: JsonEdit, bytes: Uint8Array, facts: RequestFacts, outputMax: number): void {
  const { capPaths } = FORMATS[facts.format];
  const present = capPaths.filter((path) => edit.find(path) !== undefined);
  const [first] = capPaths;
  if (first === undefined) return;
  for (const path of present) {
    const asked = Number(textOf(bytes, edit.find(path)));
    if (!(asked > 0 && asked <= outputMax)) edit.set(path, String(outputMax));
  }
  if (present.length === 0) edit.set(containerFor(edit, first, capPaths), String(outputMax));
  if (facts.format === "anthropic.messages") capThinking(edit, bytes, outputMax);
}

/** The path whose object is there already, so that no second spelling of it is made. */
function containerFor(
  edit: JsonEdit,
  first: readonly string[],
  paths: readonly (readonly string[])[],
): readonly string[] {
  const there = paths.find((path) => path.length > 1 && edit.find(path.slice(0, -1)) !== undefined);
  return there ?? first;
}

/** Anthropic refuses a thinking budget that is not below the cap, or is below 1024. */
function capThinking(edit: JsonEdit, bytes: Uint8Array, outputMax: number): void {
  const budget = edit.find(["thinking", "budget_tokens"]);
  if (budget === undefined || Number(textOf(bytes, budget)) < outputMax) return;
  if (outputMax > 1_024) edit.set(["thinking", "budget_tokens"], String(outputMax - 1));
  else edit.set(["thinking"], '{"type":"disabled"}');
}

/** Takes tools that search the web out of the list, and leaves the others. */
function dropSearch(edit: JsonEdit, bytes: Uint8Array): void {
  const tools = edit.find(["tools"]);
  if (tools === undefined) return;
  const texts = elementsAt(bytes, tools.start).map((span) => textOf(bytes, span));
  const kept = texts.filter((text) => !isSearch(text));
  if (kept.length < texts.length) edit.set(["tools"], `[${kept.join(",")}]`);
}

function isSearch(tool: string): boolean {
  const parsed = JSON.parse(tool) as unknown;
  if (typeof parsed !== "object" || parsed === null) return false;
  const kind = (parsed as { readonly type?: unknown }).type;
  if (typeof kind === "string") return kind.startsWith("web_search");
  return Object.keys(parsed).some((name) => /^google_?search/i.test(name));
}

const DECODER = new TextDecoder();

function textOf(bytes: Uint8Array, span: Span | undefined): string {
  return span === undefined ? "" : DECODER.decode(bytes.subarray(span.start, span.end));
}
