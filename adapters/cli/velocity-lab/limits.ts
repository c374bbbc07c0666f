import type {
  BundleData,
  CallCostData,
  VelocityScopeData,
  WindowName,
} from "../../../engine/policy/bundle-data.ts";
import { nearest } from "../../nearest.ts";
import { UsageError } from "../command.ts";

type Velocity = BundleData["velocity"];
/** Named as a window is, for its floor. */
const CALL_COST = "call_cost";
type Field = "floor_micro_usd" | "cold_micro_usd";

/**
 * The velocity of a bundle with other floors or cold limits: "team.1m=0.50,user.1h=2" in USD; "none"
 * for no cold limit; "team.call_cost=1" for the floor of the cost per call. What names no scope or window
 * of the bundle is a UsageError.
 */
export function withLimits(velocity: Velocity, flag: string, field: Field, text: string): Velocity {
  let changed = velocity;
  for (const part of text.split(",")) {
    const [, kind = "", window = "", amount = ""] = /^([^.=]+)\.([^.=]+)=(.+)$/.exec(part) ?? [];
    const value = parseUsd(amount, field);
    if (kind === "" || value === undefined) {
      const none = field === "cold_micro_usd" ? ' or "none"' : "";
      throw new UsageError(
        `--${flag} ${part} is not accepted; accepted are scope.window=USD${none}, as in team.1m=0.50,user.1h=2`,
      );
    }
    changed = withLimit(changed, flag, [kind, window], { [field]: value });
  }
  return changed;
}

function withLimit(
  velocity: Velocity,
  flag: string,
  [kind, name]: readonly [string, string],
  limit: Partial<Record<Field, number | null>>,
): Velocity {
  const scope = expectKey(velocity.scopes, kind, flag, "scope");
  const { call_cost } = scope;
  if (name === CALL_COST && call_cost !== undefined && flag === "floor") {
    const changed = { ...scope, call_cost: { ...call_cost, ...limit } as CallCostData };
    return { ...velocity, scopes: { ...velocity.scopes, [kind]: changed } };
  }
  const window = expectKey(scope.windows, name as WindowName, flag, "window");
  const windows = { ...scope.windows, [name]: { ...window, ...limit } };
  const changed: VelocityScopeData = { ...scope, windows };
  return { ...velocity, scopes: { ...velocity.scopes, [kind]: changed } };
}

function expectKey<Key extends string, Value>(
  of: Readonly<Record<Key, Value>>,
  key: Key,
  flag: string,
  what: string,
): Value {
  if (Object.hasOwn(of, key)) return of[key];
  const near = nearest(key, Object.keys(of));
  throw new UsageError(`--${flag}: the bundle has no ${what} ${key}; the nearest is ${near}`);
}

function parseUsd(text: string, field: Field): number | null | undefined {
  if (text === "none" && field === "cold_micro_usd") return null;
  const [, whole, fraction = ""] = /^(\d{1,6})(?:\.(\d{1,6}))?$/.exec(text) ?? [];
  return whole === undefined ? undefined : Number(whole + fraction.padEnd(6, "0"));
}
