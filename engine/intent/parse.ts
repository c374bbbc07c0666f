import { WeirError } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { FieldReader, show } from "./fields.ts";
import {
  type Attribution,
  type Intent,
  type IntentTokens,
  OPERATIONS,
  type RawIntent,
  SENSITIVITIES,
  SERVICE_TIERS,
} from "./intent.ts";

const { idChars, wordChars } = LIMITS;

/**
 * Untrusted input to an Intent. The only stage that refuses: every field that is wrong is named in
 * one `intent.invalid`; nothing has been touched or charged by then.
 */
export function parseIntent(raw: RawIntent, principal: string): Intent {
  const read = new FieldReader();
  const attribution = read.object(raw.attribution, "attribution");
  const intent: Intent = {
    attempt: parseAttempt(read, raw.attempt),
    attribution: parseAttribution(read, attribution),
    data: parseData(read, raw.data),
    deadlineMs: read.count(raw.deadlineMs, "deadline_ms", 0, LIMITS.deadlineMs),
    id: read.mandatoryText(raw.id, "id", idChars),
    labels: parseLabels(read, raw.labels),
    model: parseModel(read, raw.model),
    operation: read.choice(raw.operation, "operation", OPERATIONS, null),
    principal,
    prompt: parsePrompt(read, raw.prompt),
    providers: parseWords(read, raw.providers, "providers", "providers", LIMITS.providers),
    release: read.text(raw.release, "release", idChars),
    run: parseRun(read, raw.run),
    serviceTier: read.choice(raw.serviceTier, "service_tier", SERVICE_TIERS, "standard"),
    task: read.text(raw.task, "task", wordChars),
    tenant: read.mandatoryText(attribution["tenant"], "attribution.tenant", idChars),
    tokens: parseTokens(read, raw.tokens),
  };
  if (read.violations.length > 0) throw invalid("intent.invalid", "intent", read);
  return intent;
}

/** One error for all wrong fields; the message carries the first of them. */
export function invalid(
  code: "intent.invalid" | "report.invalid" | "admin.invalid" | "ledger.invalid",
  what: string,
  read: FieldReader,
): WeirError {
  const [first, ...others] = read.violations;
  const more = others.length === 0 ? "" : ` (and ${others.length} more)`;
  const message = `${what} refused: ${first?.field}: ${first?.description}${more}`;
  return new WeirError(code, message, { violations: read.violations });
}

function parseAttribution(read: FieldReader, raw: Readonly<Record<string, unknown>>): Attribution {
  return {
    cost_center: read.text(raw["costCenter"], "attribution.cost_center", idChars),
    customer: read.text(raw["customer"], "attribution.customer", idChars),
    environment: read.text(raw["environment"], "attribution.environment", idChars),
    feature: read.text(raw["feature"], "attribution.feature", idChars),
    service: read.text(raw["service"], "attribution.service", idChars),
    team: read.text(raw["team"], "attribution.team", idChars),
    user: read.text(raw["user"], "attribution.user", idChars),
  };
}

function parseModel(read: FieldReader, raw: unknown): string {
  const model = read.mandatoryText(raw, "model", idChars);
  const colon = model.indexOf(":");
  if (model !== "" && (colon <= 0 || colon === model.length - 1)) {
    read.reject("model", `${show(model)} is not of the form "provider:model"`);
  }
  return model;
}

function parseTokens(read: FieldReader, raw: unknown): IntentTokens {
  const tokens = read.object(raw, "tokens");
  if (tokens["input"] === undefined) {
    read.reject("tokens.input", `missing; a whole number from 0 to ${LIMITS.tokens} is accepted`);
  }
  const input = read.count(tokens["input"], "tokens.input", 0, LIMITS.tokens);
  const inputP95 = read.count(tokens["inputP95"], "tokens.input_p95", 0, LIMITS.tokens);
  if (inputP95 !== 0 && inputP95 < input) {
    read.reject("tokens.input_p95", `${inputP95} is below tokens.input, ${input}`);
  }
  const cacheRead = read.count(tokens["cacheRead"], "tokens.cache_read", 0, LIMITS.tokens);
  const cacheWrite = read.count(tokens["cacheWrite"], "tokens.cache_write", 0, LIMITS.tokens);
  if (cacheRead + cacheWrite > input) {
    const parts = cacheRead + cacheWrite;
    read.reject(
      "tokens.cache_read",
      `cache reads and writes, ${parts}, exceed tokens.input, ${input}`,
    );
  }
  return {
    cacheRead,
    cacheWrite,
    input,
    inputP95: inputP95 === 0 ? input : inputP95,
    n: Math.max(1, read.count(tokens["n"], "tokens.n", 0, LIMITS.answers)),
    outputMax: read.count(tokens["outputMax"], "tokens.output_max", 0, LIMITS.tokens),
  };
}

function parseData(read: FieldReader, raw: unknown): Intent["data"] {
  const data = read.object(raw, "data");
  return {
    classes: parseWords(read, data["classes"], "data.classes", "classes", LIMITS.dataClasses),
    residency: read.text(data["residency"], "data.residency", wordChars),
    sensitivity: read.choice(data["sensitivity"], "data.sensitivity", SENSITIVITIES, "unspecified"),
  };
}

/** A list of at most `max` words, all of them given. */
export function parseWords(
  read: FieldReader,
  raw: unknown,
  field: string,
  what: string,
  max: number,
): readonly string[] {
  if (raw === undefined || raw === null) return [];
  if (!Array.isArray(raw)) {
    read.reject(field, "not a list");
    return [];
  }
  if (raw.length > max) {
    read.reject(field, `${raw.length} ${what}, at most ${max} are accepted`);
    return [];
  }
  return raw.map((entry, index) => read.mandatoryText(entry, `${field}[${index}]`, wordChars));
}

function parseRun(read: FieldReader, raw: unknown): Intent["run"] {
  const run = read.object(raw, "run");
  const id = read.text(run["id"], "run.id", idChars);
  const parsed = {
    depth: read.count(run["depth"], "run.depth", 0, LIMITS.runDepth),
    fingerprint: read.text(run["fingerprint"], "run.fingerprint", idChars),
    id,
    parent: read.text(run["parent"], "run.parent", idChars),
    step: read.count(run["step"], "run.step", 0, LIMITS.runStep),
  };
  const inUse =
    parsed.depth > 0 || parsed.step > 0 || parsed.fingerprint !== "" || parsed.parent !== "";
  if (id === "" && inUse) read.reject("run.id", `missing; 1 to ${idChars} characters are accepted`);
  return parsed;
}

function parseAttempt(read: FieldReader, raw: unknown): Intent["attempt"] {
  const attempt = read.object(raw, "attempt");
  return {
    number: Math.max(1, read.count(attempt["number"], "attempt.number", 0, LIMITS.attempt)),
    reason: read.text(attempt["reason"], "attempt.reason", wordChars),
    retryOf: read.text(attempt["retryOf"], "attempt.retry_of", idChars),
  };
}

function parsePrompt(read: FieldReader, raw: unknown): Intent["prompt"] {
  const prompt = read.object(raw, "prompt");
  return {
    id: read.text(prompt["id"], "prompt.id", idChars),
    version: read.text(prompt["version"], "prompt.version", wordChars),
  };
}

function parseLabels(read: FieldReader, raw: unknown): Readonly<Record<string, string>> {
  const labels = read.object(raw, "labels");
  const keys = Object.keys(labels);
  if (keys.length === 0) return NO_LABELS;
  if (keys.length > LIMITS.labels) {
    read.reject("labels", `${keys.length} labels, at most ${LIMITS.labels} are accepted`);
    return NO_LABELS;
  }
  // A null prototype keeps a label named "__proto__" a label; sorted keys keep the text canonical.
  const parsed: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const key of keys.toSorted()) {
    if (key.length <= LIMITS.labelKeyChars && LABEL_KEY.test(key)) {
      parsed[key] = read.text(labels[key], `labels.${key}`, LIMITS.labelValueChars);
    } else {
      const most = `${LIMITS.labelKeyChars} letters, digits and _ . / -`;
      read.reject(
        "labels",
        `key ${show(key)} is not accepted; a key starts with a letter or _ and holds at most ${most}`,
      );
    }
  }
  return parsed;
}

// A leading digit would let an engine reorder integer-like keys, and the text would not be canonical.
const LABEL_KEY = /^[A-Za-z_][\w./-]*$/;
const NO_LABELS: Readonly<Record<string, string>> = Object.freeze({});
