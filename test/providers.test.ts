import { expect, test } from "vitest";

import { intentOf, LOCAL } from "./support/engine.ts";
import { open } from "./support/opened.ts";

// Goal: a reroute leads only where the caller can go.

const OVERKILL = { model: "openai:gpt-6.1-sol", task: "classify" };

test("a reroute leads to no provider that the caller cannot call", async () => {
  const engine = await open();
  const decide = (id: string, providers: readonly string[]) =>
    engine.weir.decide(intentOf(id, { ...OVERKILL, providers }), LOCAL);
  const anywhere = await decide("any", []);
  expect(anywhere).toMatchObject({ effect: "reroute", model: "openai:gpt-6-luna" });
  expect(await decide("mistral", ["mistral"])).toMatchObject({
    effect: "reroute",
    model: "mistral:mistral-large-4",
  });
  expect(await decide("cohere", ["cohere"])).toMatchObject({
    effect: "allow",
    model: OVERKILL.model,
  });
});
