import type { Operator } from "../../../engine/operator/operator.ts";
import type { Grant } from "../../../engine/reservation/reservation.ts";

/** A grant of the largest amount. */
export const GRANT: Grant = {
  actor: "ops",
  amount: 9_000_000_000_000_000_000n,
  atMs: 1_764_000_000_000,
  budget: "day",
  id: "g1",
  reason: "launch",
  tenant: "acme",
  unit: "nano_usd",
  untilMs: 1_764_000_600_000,
};
export const CHANGE = {
  actor: "ops",
  atMs: 1_764_000_000_000,
  isKnown: false,
  reason: "why",
  scope: "team:search",
  tenant: "acme",
  wasFrozen: true,
};

/** What a test made the operator's side do. */
export interface Asked {
  readonly method: string;
  readonly raw: object;
  readonly principal: string;
}

/** An operator's side that remembers what it was asked, and answers what it is told to. */
export function fakeOperator(answers: Partial<Operator> = {}): {
  operator: Operator;
  asked: Asked[];
} {
  const asked: Asked[] = [];
  const usual: Operator = {
    budgets: async () => ({ budgets: [], definitions: [], grants: [], nowMs: 5, total: 0 }),
    freeze: async () => CHANGE,
    freezes: async () => [],
    grant: async () => ({ grant: GRANT, limitAfter: 2, limitBefore: 1, repeated: false }),
    unfreeze: async () => CHANGE,
    velocity: async () => ({ nowMs: 5, scopes: [] }),
  };
  const operator = new Proxy(
    { ...usual, ...answers },
    {
      get: (target, method: keyof Operator) => (raw: object, caller: { principal: string }) => {
        asked.push({ method, principal: caller.principal, raw: { ...raw } });
        return target[method](raw, caller);
      },
    },
  );
  return { asked, operator };
}
