import { WeirError } from "../errors.ts";
import { FieldReader, show } from "../intent/fields.ts";
import { invalid } from "../intent/parse.ts";
import { LIMITS } from "../limits.ts";
import { SCOPE_KINDS } from "../velocity/scopes.ts";
import type { RawFreeze, RawGrant, RawLook } from "./operator.ts";

const { idChars, reasonChars } = LIMITS;

export interface FreezeRequest {
  readonly tenant: string;
  readonly scope: string;
  readonly reason: string;
}

/** Untrusted input to a freeze or its lifting; every wrong field is named in one `admin.invalid`. */
export function parseFreeze(raw: RawFreeze): FreezeRequest {
  const read = new FieldReader();
  const tenant = read.mandatoryText(raw.tenant, "tenant", idChars);
  const request = {
    reason: read.mandatoryText(raw.reason, "reason", reasonChars),
    scope: parseScope(read, raw.scope, tenant),
    tenant,
  };
  return done(read, request, "freeze");
}

/** "*" or "kind:value". A kind that no call has would freeze nothing, and nobody would notice. */
function parseScope(read: FieldReader, raw: unknown, tenant: string): string {
  const scope = read.mandatoryText(raw, "scope", idChars + 16);
  if (scope === "" || scope === "*") return scope;
  const colon = scope.indexOf(":");
  const kind = colon < 0 ? scope : scope.slice(0, colon);
  const value = colon < 0 ? "" : scope.slice(colon + 1);
  if (!(SCOPE_KINDS as readonly string[]).includes(kind)) {
    const forms = ["*", ...SCOPE_KINDS.map((one) => `${one}:…`)].join(", ");
    read.reject("scope", `${show(scope)} is of no known kind; accepted are ${forms}`);
  } else if (value === "" || value.length > idChars) {
    read.reject("scope", `${show(scope)} needs 1 to ${idChars} characters after "${kind}:"`);
  } else if (kind === "tenant" && tenant !== "*" && value !== tenant) {
    read.reject("scope", `${show(scope)} is another tenant than ${show(tenant)}`);
  } else if (kind === "model" && !/^[^:]+:./s.test(value)) {
    read.reject("scope", `${show(scope)} is not of the form "model:provider:model"`);
  }
  return scope;
}

export interface GrantRequest {
  /** "": to be made. */
  readonly id: string;
  readonly tenant: string;
  readonly budget: string;
  readonly unit: "usd" | "tokens" | "calls";
  /** micro-USD, tokens or calls. */
  readonly amount: number;
  readonly untilMs: number;
  readonly reason: string;
}

/** Untrusted input to a grant. */
export function parseGrant(raw: RawGrant, nowMs: number): GrantRequest {
  const read = new FieldReader();
  const unit = read.choice(raw.unit, "unit", ["usd", "tokens", "calls"], "usd");
  const most = unit === "usd" ? LIMITS.budgetMicroUsd : LIMITS.budgetCount;
  const latestMs = nowMs + LIMITS.grantMs;
  const request = {
    // Absent, or 0 as a message without the field says, is as wrong as what is below zero.
    amount: read.count(raw.amount ?? 0, "amount", 1, most),
    budget: read.mandatoryText(raw.budget, "budget", idChars),
    id: read.text(raw.id, "id", idChars),
    reason: read.mandatoryText(raw.reason, "reason", reasonChars),
    tenant: read.mandatoryText(raw.tenant, "tenant", idChars),
    unit,
    untilMs: read.count(raw.untilMs ?? 0, "until_ms", 0, Number.MAX_SAFE_INTEGER),
  };
  if (request.untilMs <= nowMs || request.untilMs > latestMs) {
    const accepted = `a time from ${iso(nowMs + 1)} to ${iso(latestMs)}`;
    read.reject("until_ms", `${request.untilMs} is not accepted; accepted is ${accepted}`);
  }
  return done(read, request, "grant");
}

export interface LookRequest {
  /** "": every tenant that the caller operates; refused where one has to be named. */
  readonly tenant: string;
  /** "": every budget. */
  readonly budget: string;
  readonly top: number;
}

const TOP = 20;

/** Untrusted input to a look at the state. */
export function parseLook(raw: RawLook, what: string, needsTenant: boolean): LookRequest {
  const read = new FieldReader();
  const top = read.count(raw.top, "top", 0, LIMITS.listed);
  const request = {
    budget: read.text(raw.budget, "budget", idChars),
    tenant: needsTenant
      ? read.mandatoryText(raw.tenant, "tenant", idChars)
      : read.text(raw.tenant, "tenant", idChars),
    top: top === 0 ? TOP : top,
  };
  return done(read, request, what);
}

function done<Request>(read: FieldReader, request: Request, what: string): Request {
  if (read.violations.length > 0) throw invalid("admin.invalid", what, read);
  return request;
}

/** One wrong field that only the bundle or the state can tell. */
export function refused(what: string, field: string, description: string): WeirError {
  const message = `${what} refused: ${field}: ${description}`;
  return new WeirError("admin.invalid", message, { violations: [{ description, field }] });
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
