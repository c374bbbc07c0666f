import type { Balance } from "../../engine/ports.ts";
import type { ScopeStatus, VelocityRequest } from "../../engine/reservation/reservation.ts";
import { CALL_COST_NOT_JUDGED } from "../../engine/velocity/call-cost.ts";
import { busiest } from "../../engine/velocity/busiest.ts";
import { answered, type RedisClient } from "./connection.ts";
import { tagKeys, TENANT_TAGS, tenantFields, tenantKeys } from "./keys.ts";
import { judgeScope } from "./scope-state.ts";

const SCAN_COUNT = 1_000;
/** A kind that the bundle no longer has. */
const NOT_PLANNED = { callCost: CALL_COST_NOT_JUDGED, windows: [] };

/** Every balance, by scanning; for checks, not for the way of a decision. */
export async function readBalances(client: RedisClient): Promise<readonly Balance[]> {
  const tags = await answered(client.smembers(TENANT_TAGS));
  const found = await Promise.all(tags.map((tag) => balancesOf(client, tagKeys(tag).balances)));
  return found.flat();
}

async function balancesOf(client: RedisClient, key: string): Promise<readonly Balance[]> {
  const fields = new Map<string, string>();
  for await (const [field, value] of scan(client, key, "*")) {
    fields.set(field, value.toString());
  }
  return [...fields].flatMap(([field, text]) => {
    if (!field.startsWith("m:")) return [];
    const instance = field.slice(2);
    const [budget, unit] = JSON.parse(text) as [string, Balance["unit"]];
    const held = BigInt(fields.get(`h:${instance}`) ?? "0");
    const settled = BigInt(fields.get(`s:${instance}`) ?? "0");
    return [{ budget, held, instance, settled, unit }];
  });
}

/** Scopes of a tenant as they are now; looking rolls nothing. */
export async function readVelocity(
  client: RedisClient,
  { kinds, nowMs, tenant, top }: VelocityRequest,
): Promise<readonly ScopeStatus[]> {
  const parameters = new Map(kinds.map((planned) => [planned.kind, planned]));
  const start = tenantFields(tenant).scopes;
  const found = new Map<string, ScopeStatus>();
  for await (const [field, packed] of scan(client, tenantKeys(tenant).state, `${start}*`)) {
    const scope = field.slice(start.length);
    const kind = scope.slice(0, scope.indexOf(":"));
    const judged = judgeScope(packed, parameters.get(kind) ?? NOT_PLANNED, nowMs);
    const { callCost, inFlight, windows } = judged;
    found.set(scope, { callCost, inFlight, kind, scope, windows });
  }
  return busiest([...found.values()], top);
}

/** Every open reservation, the past ones that no sweep has ended among them. */
export async function readOpen(client: RedisClient): Promise<readonly string[]> {
  const tags = await answered(client.smembers(TENANT_TAGS));
  const found = tags.map((tag) => client.zrange(tagKeys(tag).deadlines, "0", "-1"));
  return (await answered(Promise.all(found))).flat();
}

export async function countOpen(client: RedisClient): Promise<number> {
  const tags = await answered(client.smembers(TENANT_TAGS));
  const counts = tags.map((tag) => client.zcard(tagKeys(tag).deadlines));
  return (await answered(Promise.all(counts))).reduce((sum, count) => sum + count, 0);
}

/** Fields of a hash; one may come twice. */
async function* scan(
  client: RedisClient,
  key: string,
  pattern: string,
): AsyncGenerator<readonly [field: string, value: Buffer]> {
  let cursor = "0";
  do {
    const [next, flat] = await answered(
      client.hscanBuffer(key, cursor, "MATCH", pattern, "COUNT", SCAN_COUNT),
    );
    for (let at = 0; at < flat.length; at += 2) {
      yield [String(flat[at]), flat[at + 1] as Buffer];
    }
    cursor = String(next);
  } while (cursor !== "0");
}
