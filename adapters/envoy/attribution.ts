import { WeirError, type FieldViolation } from "../../engine/errors.ts";
import {
  ATTRIBUTION_FIELDS,
  type AttributionField,
  type RawIntent,
} from "../../engine/intent/intent.ts";
import type { PrincipalData } from "../../engine/policy/bundle-data.ts";
import { type Headers, PREFIX, single } from "./headers.ts";

type Fields = Readonly<Record<string, string>>;

/** Where the attribution of a call comes from, beside its own headers. */
export interface AttributionSources {
  readonly headers: Headers;
  /** What the Envoy route says, by "weir.<field>": as trusted as Envoy's configuration. */
  readonly route: Fields;
  /** What the bundle lets the principal claim. */
  readonly principal: PrincipalData | undefined;
}

const LABEL = `${PREFIX}label-`;

/** Headers that are read, beside those of attribution and labels; every other is dropped. */
const HEADERS = {
  task: "task",
  sensitivity: "sensitivity",
  classes: "data-classes",
  residency: "residency",
  run: "run",
  step: "run-step",
  depth: "run-depth",
  parent: "run-parent",
  fingerprint: "run-fingerprint",
  release: "release",
  prompt: "prompt",
  promptVersion: "prompt-version",
  reason: "retry-reason",
  retryOf: "retry-of",
} as const;

/**
 * Everything of an intent that the body does not tell. A field comes from the client's header, else from
 * the Envoy route, else from the principal's claims where they leave no choice; what the principal may
 * claim is checked by the engine.
 * @throws WeirError `intent.invalid` naming every header that is given twice
 */
export function readAttribution(sources: AttributionSources): Partial<RawIntent> {
  const read = new HeaderReader(sources.headers);
  const { principal, route } = sources;
  const field = (name: string, claimed: string): string =>
    read.text(name.replaceAll("_", "-")) || (route[`weir.${name}`] ?? "") || claimed;
  const attribution: Record<string, string> = {
    // The engine refuses a stranger, and says of whom.
    tenant: field("tenant", principal === undefined ? "unknown" : onlyOf(principal.tenants)),
  };
  for (const name of ATTRIBUTION_FIELDS) {
    attribution[camelCase(name)] = field(name, onlyOf(principal?.claims[name]));
  }
  const of = (name: keyof typeof HEADERS): string => read.text(HEADERS[name]);
  const run = of("run");
  const intent: Partial<RawIntent> = {
    attempt: { number: read.attempt(), reason: of("reason"), retryOf: of("retryOf") },
    attribution,
    data: {
      classes: read.list(HEADERS.classes),
      residency: of("residency"),
      sensitivity: of("sensitivity").toLowerCase(),
    },
    labels: read.labels(),
    prompt: { id: of("prompt"), version: of("promptVersion") },
    release: of("release"),
    run: {
      depth: read.count(HEADERS.depth),
      fingerprint: of("fingerprint"),
      id: run,
      parent: of("parent"),
      step: read.count(HEADERS.step),
    },
    task: of("task") || (route["weir.task"] ?? ""),
  };
  read.check();
  return intent;
}

function onlyOf(values: readonly string[] | undefined): string {
  const [value = ""] = values ?? [];
  return values?.length === 1 && value !== "*" ? value : "";
}

function camelCase(name: AttributionField): string {
  return name === "cost_center" ? "costCenter" : name;
}

class HeaderReader {
  readonly #headers: Headers;
  readonly #violations: FieldViolation[] = [];

  constructor(headers: Headers) {
    this.#headers = headers;
  }

  /** A header given once. Envoy joins repeated ones by commas, so a comma is a repetition too. */
  text(name: string): string {
    const value = single(this.#headers, PREFIX + name);
    if (value === undefined) return "";
    if (value !== null && !value.includes(",")) return value.trim();
    const description = "given twice or holds a comma; one plain value is accepted";
    this.#violations.push({ field: PREFIX + name, description });
    return "";
  }

  list(name: string): readonly string[] {
    const values = this.#headers.get(PREFIX + name) ?? [];
    return values
      .flatMap((value) => value.split(","))
      .map((value) => value.trim())
      .filter((value) => value !== "");
  }

  /** A whole number, or the text itself for the engine to refuse by name. */
  count(name: string): number | string {
    const text = this.text(name);
    return /^[0-9]{0,9}$/.test(text) ? Number(text) : text;
  }

  /** Client libraries count their own retries; the first try is number 1. */
  attempt(): number {
    const count = single(this.#headers, "x-stainless-retry-count") ?? "";
    return /^[0-9]{1,3}$/.test(count) ? Number(count) + 1 : 1;
  }

  labels(): Readonly<Record<string, string>> {
    const labels: Record<string, string> = {};
    for (const name of this.#headers.keys()) {
      if (name.startsWith(LABEL))
        labels[name.slice(LABEL.length)] = this.text(`label-${name.slice(LABEL.length)}`);
    }
    return labels;
  }

  check(): void {
    const [wrong] = this.#violations;
    if (wrong === undefined) return;
    const message = `intent refused: ${wrong.field}: ${wrong.description}`;
    throw new WeirError("intent.invalid", message, { violations: this.#violations });
  }
}
