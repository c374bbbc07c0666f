import { hash } from "node:crypto";

/**
 * "d" + 8 hex of an opaque tenant tag + 11 hex of the time in ms + 32 random hex: a report finds its
 * shard by the tag, and its place in the log by the time.
 */
export function decisionId(tenant: string, nowMs: number, random128: string): string {
  return `d${tenantTag(tenant)}${nowMs.toString(16).padStart(11, "0")}${random128}`;
}

const TAGS_MAX = 10_000;
const TAGS = new Map<string, string>();

/** The tag of a tenant, 8 hex characters: what its ids carry instead of its name. */
export function tenantTag(tenant: string): string {
  let tag = TAGS.get(tenant);
  if (tag === undefined) {
    if (TAGS.size >= TAGS_MAX) TAGS.clear();
    tag = hash("sha256", tenant).slice(0, 8);
    TAGS.set(tenant, tag);
  }
  return tag;
}

/** The tag that an id carries; meaningless for what is not an id. */
export function decisionTag(id: string): string {
  return id.slice(1, 9);
}

const FORM = /^d[0-9a-f]{51}$/;

/** Time a decision id carries, epoch ms; null if it is not one of ours. */
export function decisionTimeMs(id: string): number | null {
  return FORM.test(id) ? Number.parseInt(id.slice(9, 20), 16) : null;
}
