import { WeirError } from "../errors.ts";
import { isKnownScope } from "./known-scope.ts";
import { checkOperator, isOperator, tenantsOf } from "../intent/claims.ts";
import { maskScope } from "../intent/mask.ts";
import { LIMITS } from "../limits.ts";
import { nanoFromMicroUsd, safeNumber } from "../money.ts";
import type { BundleData } from "../policy/bundle-data.ts";
import type { Ports } from "../ports.ts";
import { freezeRecord, grantRecord } from "../record/control.ts";
import { RECORD_VERSION } from "../record/record.ts";
import { budgetStatus } from "../reservation/budget-status.ts";
import type { PlannedBudget } from "../reservation/budgets.ts";
import type { FreezeTable } from "../reservation/freeze-table.ts";
import type { GrantTable } from "../reservation/grants.ts";
import type { Grant, TenantFreeze } from "../reservation/reservation.ts";
import { SteadyClock } from "../steady-clock.ts";
import type { Caller } from "../weir.ts";
import type {
  BudgetList,
  FreezeChanged,
  Granted,
  Operator,
  RawFreeze,
  RawGrant,
  RawLook,
  VelocityList,
} from "./operator.ts";
import { type GrantRequest, parseFreeze, parseGrant, parseLook, refused } from "./parse.ts";

export interface OperatorOptions {
  /** The table that the decisions of this node read. */
  readonly grants: GrantTable;
  /** What they go by while the store does not answer; absent: nothing. */
  readonly freezes?: FreezeTable;
  /** Time of the last line of the log, epoch ms: time does not go back behind it. */
  readonly notBeforeMs?: number;
}

/** The operator's side of an engine, on the ports of its decisions. */
export function createOperator(ports: Ports, options: OperatorOptions): Operator {
  return new Controls(ports, options);
}

class Controls implements Operator {
  readonly #ports: Ports;
  readonly #grants: GrantTable;
  readonly #freezes: FreezeTable | undefined;
  /** The change under way: the next one waits, so that log and state see them in one order. */
  #latest: Promise<unknown> = Promise.resolve();

  constructor(ports: Ports, { freezes, grants, notBeforeMs }: OperatorOptions) {
    this.#ports = { ...ports, clock: new SteadyClock(ports.clock, notBeforeMs ?? 0) };
    this.#grants = grants;
    this.#freezes = freezes;
  }

  freeze(raw: RawFreeze, caller: Caller): Promise<FreezeChanged> {
    return this.#setFrozen(raw, caller, true);
  }

  unfreeze(raw: RawFreeze, caller: Caller): Promise<FreezeChanged> {
    return this.#setFrozen(raw, caller, false);
  }

  async freezes(raw: RawLook, caller: Caller): Promise<readonly TenantFreeze[]> {
    return this.#look(async () => {
      const { tenant } = parseLook(raw, "freezes", false);
      const { principals } = this.#config();
      const [own = "*"] = tenantsOf(principals, caller.principal);
      checkOperator(principals, caller.principal, tenant === "" ? own : tenant);
      const all = await this.#ports.state.freezes();
      // What is frozen for everyone concerns everyone.
      const seen = all.filter((one) =>
        tenant === ""
          ? one.tenant === "*" || isOperator(principals, caller.principal, one.tenant)
          : one.tenant === "*" || one.tenant === tenant,
      );
      return seen.toSorted((one, other) => (other.atMs ?? 0) - (one.atMs ?? 0));
    });
  }

  grant(raw: RawGrant, caller: Caller): Promise<Granted> {
    return this.#change(caller, async () => {
      const { clock, ids, log, state } = this.#ports;
      const atMs = clock.nowMs();
      const request = parseGrant(raw, atMs);
      const { budget, reason, tenant, untilMs } = request;
      checkOperator(this.#config().principals, caller.principal, tenant);
      const planned = this.#budget(tenant, budget);
      const amount = amountOf(request, planned);
      const limitBefore = planned.limit + this.#grants.extra(tenant, budget, atMs);
      const earlier = this.#grants.active(tenant, budget, atMs).find(({ id }) => id === request.id);
      if (earlier !== undefined) {
        const answer = repeated(earlier, request, amount, limitBefore);
        // The first time may have ended between log and store.
        await state.grant(earlier);
        return answer;
      }
      checkRoom(planned, limitBefore, request);
      const grant: Grant = {
        actor: caller.principal,
        amount,
        atMs,
        budget,
        id: request.id === "" ? `g${ids.random128()}` : request.id,
        reason,
        tenant,
        unit: planned.unit,
        untilMs,
      };
      await log.append(grantRecord(grant, limitBefore));
      // Here first: it is in the log, so it holds whether or not the store answers now.
      this.#grants.add(grant);
      await state.grant(grant);
      return granted(grant, limitBefore, limitBefore + amount, false);
    });
  }

  async budgets(raw: RawLook, caller: Caller): Promise<BudgetList> {
    return this.#look(async () => {
      const { budget, tenant } = parseLook(raw, "budgets", true);
      checkOperator(this.#config().principals, caller.principal, tenant);
      const planned = budget === "" ? this.#budgetsOf(tenant) : [this.#budget(tenant, budget)];
      const nowMs = this.#ports.clock.nowMs();
      const found = budgetStatus(planned, await this.#ports.state.balances(), this.#grants, nowMs);
      return {
        budgets: found.slice(0, LIMITS.listed),
        definitions: planned.map(({ data }) => data),
        grants: planned.flatMap(({ data }) => this.#grants.active(tenant, data.id, nowMs)),
        nowMs,
        total: found.length,
      };
    });
  }

  async velocity(raw: RawLook, caller: Caller): Promise<VelocityList> {
    return this.#look(async () => {
      const { tenant, top } = parseLook(raw, "velocity", true);
      checkOperator(this.#config().principals, caller.principal, tenant);
      const nowMs = this.#ports.clock.nowMs();
      const { kinds } = this.#ports.bundles.current().scopes;
      return { nowMs, scopes: await this.#ports.state.velocity({ kinds, nowMs, tenant, top }) };
    });
  }

  #setFrozen(raw: RawFreeze, caller: Caller, frozen: boolean): Promise<FreezeChanged> {
    return this.#change(caller, async () => {
      const { clock, log, masks, state } = this.#ports;
      const { reason, scope: named, tenant } = parseFreeze(raw);
      checkOperator(this.#config().principals, caller.principal, tenant);
      const scope = maskScope(named, this.#config().masking, masks);
      const all = await state.freezes();
      const before = all.find((one) => one.tenant === tenant && one.scope === scope) ?? null;
      const actor = caller.principal;
      const atMs = clock.nowMs();
      await log.append(freezeRecord({ actor, atMs, before, frozen, reason, scope, tenant }));
      const freeze = { actor, atMs, reason, scope };
      if (frozen) this.#freezes?.set(tenant, freeze);
      else this.#freezes?.lift(tenant, scope);
      if (frozen) await state.freeze(tenant, freeze);
      else await state.unfreeze(tenant, scope);
      const isKnown = isKnownScope(this.#config(), tenant, named);
      return { actor, atMs, isKnown, reason, scope, tenant, wasFrozen: before !== null };
    });
  }

  /** One change after the other; a refusal is logged without its content, as an intent's is. */
  #change<Result>(caller: Caller, change: () => Promise<Result>): Promise<Result> {
    const changed = this.#latest.then(async () => {
      try {
        return await change();
      } catch (thrown) {
        const error = WeirError.from(thrown);
        if (REFUSALS.has(error.code)) await this.#refuse(error, caller);
        throw error;
      }
    });
    this.#latest = changed.catch(() => undefined);
    return changed;
  }

  async #refuse({ code, violations }: WeirError, { principal }: Caller): Promise<void> {
    await this.#ports.log.append({
      v: RECORD_VERSION,
      kind: "rejected",
      at_ms: this.#ports.clock.nowMs(),
      code,
      fields: violations.map(({ field }) => field),
      principal,
    });
  }

  async #look<Result>(look: () => Promise<Result>): Promise<Result> {
    try {
      return await look();
    } catch (thrown) {
      throw WeirError.from(thrown);
    }
  }

  #config(): BundleData {
    return this.#ports.bundles.current().data;
  }

  #budgetsOf(tenant: string): readonly PlannedBudget[] {
    return this.#ports.bundles.current().budgets.byTenant.get(tenant) ?? [];
  }

  #budget(tenant: string, id: string): PlannedBudget {
    const budgets = this.#budgetsOf(tenant);
    const found = budgets.find(({ data }) => data.id === id);
    if (found !== undefined) return found;
    const known = budgets.map(({ data }) => data.id).join(", ") || "none";
    throw refused("budget", "budget", `tenant ${tenant} has no budget ${id}; it has ${known}`);
  }
}

const REFUSALS = new Set(["admin.invalid", "auth.denied"]);

/** The amount in the unit of the ledger; a grant in another unit than the budget's is a mistake. */
function amountOf({ amount, budget, unit }: GrantRequest, { data }: PlannedBudget): bigint {
  if (unit !== data.unit) {
    throw refused("grant", "unit", `budget ${budget} is in ${data.unit}, not in ${unit}`);
  }
  return unit === "usd" ? nanoFromMicroUsd(amount) : BigInt(amount);
}

/** Limit and grants together stay within what a limit may be, which 64 bits hold. */
function checkRoom(
  planned: PlannedBudget,
  limitBefore: bigint,
  { amount, unit }: GrantRequest,
): void {
  const most = unit === "usd" ? LIMITS.budgetMicroUsd : LIMITS.budgetCount;
  const room = most - shown(planned.unit, limitBefore);
  if (amount <= room) return;
  throw refused("grant", "amount", `${amount} is too much; at most ${room} more are accepted`);
}

function repeated(earlier: Grant, request: GrantRequest, amount: bigint, limit: bigint): Granted {
  const same =
    earlier.amount === amount &&
    earlier.untilMs === request.untilMs &&
    earlier.reason === request.reason;
  if (same) return granted(earlier, limit - amount, limit, true);
  throw refused("grant", "id", `${request.id} was used before for another grant`);
}

function granted(grant: Grant, before: bigint, after: bigint, isRepeat: boolean): Granted {
  return {
    grant,
    limitAfter: shown(grant.unit, after),
    limitBefore: shown(grant.unit, before),
    repeated: isRepeat,
  };
}

/** Limits are whole micro-USD, tokens or calls. */
function shown(unit: Grant["unit"], amount: bigint): number {
  return safeNumber(unit === "nano_usd" ? amount / 1_000n : amount);
}
