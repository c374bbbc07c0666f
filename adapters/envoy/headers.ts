import type { Encodable, envoy } from "../../proto/gen/envoy.js";

type HeaderMap = envoy.config.core.v3.HeaderMap;
type HeaderValueOption = envoy.config.core.v3.HeaderValueOption;

/** Headers of a request, by lower-case name; a header given more than once has more than one value. */
export type Headers = ReadonlyMap<string, readonly string[]>;

/** Prefix of every header of ours. */
export const PREFIX = "x-weir-";
/** Chooses the route to the provider; set on every allowed call, whatever the client sent. */
export const ROUTE_HEADER = "x-weir-route";

/** Where client libraries put the API key they are given. */
export const KEY_HEADERS = [
  "authorization",
  "x-api-key",
  "api-key",
  "x-goog-api-key",
  "x-weir-key",
] as const;

/** Both forms in which Envoy sends headers: a map whose values may be joined, and the raw list. */
export function readHeaders(
  joined: Readonly<Record<string, string>>,
  raw: HeaderMap | null,
): Headers {
  const headers = new Map<string, string[]>();
  const add = (name: string, value: string): void => {
    const key = name.toLowerCase();
    const values = headers.get(key);
    if (values === undefined) headers.set(key, [value]);
    else values.push(value);
  };
  for (const [name, value] of Object.entries(joined)) add(name, value);
  for (const { key, value, rawValue } of raw?.headers ?? []) {
    add(key, rawValue.length > 0 ? DECODER.decode(rawValue) : value);
  }
  return headers;
}

const DECODER = new TextDecoder();

/** The one value of a header; undefined where it is absent, null where it is given more than once. */
export function single(headers: Headers, name: string): string | null | undefined {
  const values = headers.get(name);
  if (values === undefined) return undefined;
  return values.length === 1 ? (values[0] ?? "") : null;
}

/** The first value, for headers of which only one makes sense. */
export function first(headers: Headers, name: string): string {
  return headers.get(name)?.[0] ?? "";
}

// 2: the client's own copy is overwritten. The default would add ours to it.
const OVERWRITE = 2;

/** Headers to set, overwriting; a value that HTTP could not carry is left out. */
export function setHeaders(
  headers: Readonly<Record<string, string>>,
  form: "text" | "raw" = "text",
): Encodable<HeaderValueOption>[] {
  return Object.entries(headers)
    .filter(([name, value]) => NAME.test(name) && VALUE.test(value))
    .map(([key, value]) => ({
      appendAction: OVERWRITE,
      header: form === "text" ? { key, value } : { key, rawValue: Buffer.from(value, "latin1") },
    }));
}

const NAME = /^:?[a-z0-9-]{1,128}$/;
/** Printable ASCII without blanks at the ends, of at most 4 KiB. */
const VALUE = /^(?:[!-~](?:[ -~]{0,4094}[!-~])?)?$/;

/** Text from elsewhere as a header can carry it: percent-encoded beyond printable ASCII. */
export function headerText(text: string): string {
  return text.toWellFormed().replaceAll(/[^!-$&-~]+/g, encodeURIComponent);
}

/** Whether a client library puts its API key there. */
export function isKeyHeader(name: string): boolean {
  return KEY_HEADERS.some((key) => key === name);
}
