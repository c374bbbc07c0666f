import type { weir } from "../../proto/gen/weir.js";
import {
  OPERATIONS,
  SENSITIVITIES,
  SERVICE_TIERS,
  type RawIntent,
} from "../../engine/intent/intent.ts";

type Fields = Readonly<Record<string, unknown>>;

/**
 * A decoded intent as the engine takes it. Nothing is checked here: absent messages are undefined,
 * an enum number the contract does not know stays a number, so that the engine names and refuses it.
 */
export function toIntent(message: weir.v1.Intent | null): RawIntent {
  if (message === null) return {};
  return {
    id: message.id,
    // Parts whose fields have the engine's names are passed as decoded.
    attribution: fields(message.attribution),
    operation: word(message.operation, OPERATIONS, undefined),
    model: message.model,
    task: message.task,
    tokens: fields(message.tokens),
    data: toData(message.data),
    run: fields(message.run),
    attempt: fields(message.attempt),
    serviceTier: word(message.serviceTier, SERVICE_TIERS, "standard"),
    release: message.release,
    prompt: fields(message.prompt),
    labels: message.labels,
    deadlineMs: message.deadlineMs,
    providers: message.providers,
  };
}

function toData(message: weir.v1.DataScope | null): Fields | undefined {
  if (message === null) return undefined;
  return {
    sensitivity: word(message.sensitivity, SENSITIVITIES.slice(1), "unspecified"),
    classes: message.classes,
    residency: message.residency,
  };
}

/** The word of an enum number: `words` in the contract's order from 1, `unspecified` for 0. */
export function word(
  number: number,
  words: readonly string[],
  unspecified: string | undefined,
): string | number | undefined {
  return number === 0 ? unspecified : (words[number - 1] ?? number);
}

function fields(message: object | null): Fields | undefined {
  return message === null ? undefined : (message as Fields);
}
