import { createHmac, randomBytes } from "node:crypto";

import type { MaskingData } from "../policy/bundle-data.ts";
import type { Intent } from "./intent.ts";

/** Fields that may be masked, as a record's policy input names them; labels one by one. */
export const MASKABLE = [
  "attribution.user",
  "attribution.customer",
  "prompt.id",
  "release",
] as const;

/** Whether a bundle may have a field of intents masked. */
export function isMaskable(path: string): boolean {
  return (MASKABLE as readonly string[]).includes(path) || /^labels\..+$/.test(path);
}

/** Puts another word in the place of a value: the same for the same value of the same field. */
export interface Masks {
  mask(path: string, value: string): string;
}

const PREFIX = "masked:";

/**
 * The intent with what the bundle wants masked replaced, so that store, policy and record see the
 * same word and nothing else. Empty values stay empty.
 */
export function maskIntent(
  intent: Intent,
  masking: MaskingData | undefined,
  masks: Masks = PASSING,
): Intent {
  const { fields: paths } = masking ?? NONE;
  if (paths.length === 0) return intent;
  const put = (path: string, value: string): string =>
    value === "" || !paths.includes(path) ? value : masks.mask(path, value);
  const { attribution, prompt } = intent;
  const labels = Object.entries(intent.labels).map(([key, value]) => [
    key,
    put(`labels.${key}`, value),
  ]);
  return {
    ...intent,
    attribution: {
      ...attribution,
      customer: put("attribution.customer", attribution.customer),
      user: put("attribution.user", attribution.user),
    },
    labels: Object.fromEntries(labels) as Intent["labels"],
    prompt: { ...prompt, id: put("prompt.id", prompt.id) },
    release: put("release", intent.release),
  };
}

/** A scope of a freeze as masked calls are matched by it; one that is masked already stays. */
export function maskScope(
  scope: string,
  masking: MaskingData | undefined,
  masks: Masks = PASSING,
): string {
  const { fields: paths } = masking ?? NONE;
  const colon = scope.indexOf(":");
  const path = `attribution.${scope.slice(0, colon)}`;
  const value = scope.slice(colon + 1);
  if (colon < 0 || !paths.includes(path) || value.startsWith(PREFIX)) return scope;
  return `${scope.slice(0, colon + 1)}${masks.mask(path, value)}`;
}

/** The word for a value under the salt that is kept for it: 128 bits of HMAC-SHA-256. */
export function maskedWord(salt: Uint8Array, path: string, value: string): string {
  const digest = createHmac("sha256", salt).update(`${path}\n${value}`).digest("hex");
  return `${PREFIX}${digest.slice(0, 32)}`;
}

const NONE: MaskingData = { fields: [] };

/** Masks for as long as this process runs, where no salt is kept. */
const PASSING_SALT = randomBytes(32);
const PASSING: Masks = { mask: (path, value) => maskedWord(PASSING_SALT, path, value) };
