import { expect, test } from "vitest";

import type { DecisionRecord } from "../engine/record/record.ts";
import { intentOf, LOCAL } from "./support/engine.ts";
import { open } from "./support/opened.ts";

// Goal: a principal that may not see amounts is told why and what helps, and no figure of money; the record
// keeps what the policy said. Method: the same intent of two principals.

test("amounts are told to whom they may be", async () => {
  const principals = {
    blind: { amounts: false, claims: {}, tenants: ["acme"] },
    local: { claims: {}, tenants: ["*"] },
  };
  const engine = await open({ data: { principals } });
  const dear = { tokens: { input: 200_000, outputMax: 100_000 } };
  const ask = (id: string, principal: string) =>
    engine.weir.decide(intentOf(id, { ...dear, model: "openai:gpt-6.1-sol" }), { principal });
  const told = await ask("a", LOCAL.principal);
  const blind = await ask("b", "blind");
  expect(blind.effect).toBe(told.effect);
  expect(blind.reasons.map(({ code }) => code)).toEqual(told.reasons.map(({ code }) => code));
  expect(JSON.stringify(told.reasons)).toMatch(/\$\d/);
  expect(JSON.stringify(blind.reasons)).not.toMatch(/\$\d|_usd/);
  expect(blind.reasons.map(({ message }) => message).join("; ")).toContain("[amount]");
  const again = await ask("b", "blind");
  expect(again).toMatchObject({ reasons: blind.reasons, replayed: true });
  const record = engine
    .lines()
    .find((line): line is DecisionRecord => line.kind === "decision" && line.id === blind.id);
  expect(JSON.stringify(record?.evaluations)).toContain("_micro_usd");
});
