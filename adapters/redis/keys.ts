import { hash } from "node:crypto";

import { tenantOfInstance } from "../../engine/reservation/budgets.ts";
import { decisionTag, tenantTag } from "../../engine/decision/decision-id.ts";

/** Every key starts so; another number is another layout, and the two never meet. */
export const PREFIX = "weir:2:";

/** Freezes of the whole platform, grants of everyone, and the tags of every tenant that ever reserved. */
export const PLATFORM_FREEZES = `${PREFIX}freezes`;
export const GRANTS = `${PREFIX}grants`;
/** Channel on which a change of either is told. */
export const CONTROLS = `${PREFIX}controls`;
/** Held by whoever rebuilds the state. */
export const REBUILDING = `${PREFIX}rebuilding`;
/** Names of the nodes' logs, and when each last said so, epoch ms. */
export const NODES = `${PREFIX}nodes`;
/** Counts the changes of freezes, so that all of them are read only where there was one. */
export const FREEZE_CHANGES = `${PREFIX}freeze-changes`;
export const TENANT_TAGS = `${PREFIX}tags`;

/** Names stand in keys by their digest, so that no key holds what a customer wrote. */
export function digestOf(...names: readonly string[]): string {
  return hash("sha256", JSON.stringify(names)).slice(0, 32);
}

/** Keys of one tag: all in one slot, since the tag in braces is what a cluster hashes. */
export interface TagKeys {
  /** Velocity, endings, times, the sequence: one hash. */
  readonly state: string;
  readonly balances: string;
  readonly freezes: string;
  readonly deadlines: string;
  reservation(decisionId: string): string;
  intent(digest: string): string;
  run(digest: string): string;
}

export function tagKeys(tag: string): TagKeys {
  const slot = `${PREFIX}{${tag}}:`;
  return {
    balances: `${slot}balances`,
    deadlines: `${slot}deadlines`,
    freezes: `${slot}freezes`,
    intent: (digest) => `${slot}intent:${digest}`,
    reservation: (decisionId) => `${slot}reservation:${decisionId}`,
    run: (digest) => `${slot}run:${digest}`,
    state: `${slot}state`,
  };
}

export function decisionKeys(decisionId: string): TagKeys {
  return tagKeys(decisionTag(decisionId));
}

/** Keys of the tag that a budget instance is kept under. */
export function instanceKeys(instance: string): TagKeys {
  return tenantKeys(tenantOfInstance(instance));
}

export function tenantKeys(tenant: string): TagKeys {
  return tagKeys(tenantTag(tenant));
}

/** Fields of the hashes of a tag; two tenants may share a tag, so each names its tenant. */
export interface TenantFields {
  readonly clock: string;
  /** All of its freezes together. */
  readonly freezes: string;
  /** What the fields of its scopes start with. */
  readonly scopes: string;
  scope(scope: string): string;
  endings(principal: string): string;
  freeze(scope: string): string;
}

const FIELDS_MAX = 10_000;
const FIELDS = new Map<string, TenantFields>();

export function tenantFields(tenant: string): TenantFields {
  let fields = FIELDS.get(tenant);
  if (fields === undefined) {
    if (FIELDS.size >= FIELDS_MAX) FIELDS.clear();
    fields = fieldsOf(digestOf(tenant).slice(0, 16));
    FIELDS.set(tenant, fields);
  }
  return fields;
}

function fieldsOf(digest: string): TenantFields {
  return {
    clock: `t:${digest}`,
    endings: (principal) => `e:${digest}:${principal}`,
    freezes: `f:${digest}`,
    freeze: (scope) => `${digest}:${scope}`,
    scope: (scope) => `s:${digest}:${scope}`,
    scopes: `s:${digest}:`,
  };
}
