import type { FormatName } from "./format.ts";

/** What an address of a provider's API means. */
export interface ProviderRoute {
  /** Provider as in "provider:model" of intents. */
  readonly provider: string;
  readonly format: FormatName;
  /** Model named by the path, decoded; null where the body names it. */
  readonly pathModel: string | null;
  /** The path asks for a stream; other formats say so in the body. */
  readonly pathStream: boolean;
}

/** Providers by host, the first that matches. */
const PROVIDERS: readonly (readonly [RegExp, string])[] = [
  [
    /(^|\.)openai\.azure\.com$|\.cognitiveservices\.azure\.com$|\.services\.ai\.azure\.com$/,
    "azure",
  ],
  [/(^|\.)openai\.com$/, "openai"],
  [/(^|\.)anthropic\.com$/, "anthropic"],
  [/(^|\.)googleapis\.com$/, "google"],
  [/(^|\.)mistral\.ai$/, "mistral"],
  [/(^|\.)groq\.com$/, "groq"],
  [/^bedrock-runtime[.-].*\.amazonaws\.com(\.cn)?$/, "bedrock"],
];

/** The provider of a host ("api.openai.com", with or without a port), or null. */
export function providerOf(host: string): string | null {
  const name = host.toLowerCase().replace(/:\d+$/, "").replace(/\.$/, "");
  return PROVIDERS.find(([pattern]) => pattern.test(name))?.[1] ?? null;
}

/** Formats by the end of the path; an API may be mounted below any prefix. */
const PATHS: readonly (readonly [RegExp, FormatName])[] = [
  [/\/chat\/completions$/, "openai.chat"],
  [/\/completions$/, "openai.completions"],
  [/\/responses$/, "openai.responses"],
  [/\/embeddings$/, "openai.embeddings"],
  [/\/images\/generations$/, "openai.images"],
  [/\/audio\/speech$/, "openai.speech"],
  [/\/messages$/, "anthropic.messages"],
  [/\/models\/([^/:]+):(?:generateContent|streamGenerateContent)$/, "google.generate_content"],
  [/\/models\/([^/:]+):(?:embedContent|batchEmbedContents)$/, "google.embed_content"],
  [/\/model\/([^/]+)\/converse(?:-stream)?$/, "bedrock.converse"],
];

const OWNER: Readonly<Record<string, string>> = {
  anthropic: "anthropic",
  bedrock: "bedrock",
  google: "google",
  mistral: "mistral",
  openai: "openai",
};

/**
 * What a POST to `path` asks for, or null where it is no call to a model that is read here. The provider
 * is `provider` where it is given, else that of the host, else the one whose format it is. The path has
 * no query.
 */
export function routeOf(host: string, path: string, provider?: string): ProviderRoute | null {
  for (const [pattern, format] of PATHS) {
    const match = pattern.exec(path);
    if (match === null) continue;
    const named = provider ?? providerOf(host);
    const owner = named ?? OWNER[format.split(".")[0] ?? ""] ?? "openai";
    const deployment = /\/deployments\/([^/]+)\//.exec(path)?.[1];
    const model = match[1] ?? deployment;
    const decoded = model === undefined ? null : decode(model);
    if (model !== undefined && decoded === null) return null;
    return {
      provider: owner,
      format: owner === "mistral" && format === "openai.chat" ? "mistral.chat" : format,
      pathModel: decoded,
      pathStream: /:streamGenerateContent$|\/converse-stream$/.test(path),
    };
  }
  return null;
}

/** The same path with another model in it. */
export function withPathModel(path: string, model: string): string {
  const name = encodeURIComponent(model);
  return path
    .replace(
      /(\/models\/)[^/:]+(:[A-Za-z]+)$/,
      (_, head: string, tail: string) => head + name + tail,
    )
    .replace(
      /(\/model\/)[^/]+(\/converse(?:-stream)?)$/,
      (_, head: string, tail: string) => head + name + tail,
    )
    .replace(/(\/deployments\/)[^/]+(\/)/, (_, head: string, tail: string) => head + name + tail);
}

/** Calls that use no model and cost nothing, by the end of their path: lists, files, token counts. */
const UNMETERED =
  /\/(?:models|files|uploads|vector_stores|moderations|messages\/count_tokens)(?:\/[^:]*)?$|:countTokens$|\/count-tokens$/;

/** Whether a call costs nothing: any read, and the writes that use no model. */
export function isUnmetered(method: string, path: string): boolean {
  return /^(?:GET|HEAD|OPTIONS|DELETE)$/i.test(method) || UNMETERED.test(path);
}

function decode(segment: string): string | null {
  try {
    return decodeURIComponent(segment);
  } catch {
    return null;
  }
}
