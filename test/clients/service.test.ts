import OpenAI from "openai";
import { expect, test } from "vitest";
import { callOf, openWeir } from "../../adapters/sdk/node.ts";
import { openLive } from "../e2e/live.ts";
import {
  SIMULATED_KEYS,
  startProviderSimulator,
} from "../../adapters/cli/simulator/provider-simulator.ts";

const SCOPE = { environment: "prod", tenant: "acme" } as const;
const SUPPORT = {
  costCenter: "cc-200",
  feature: "triage",
  service: "ticket-router",
  team: "support",
};
const SEARCH = { costCenter: "cc-100", feature: "answers", service: "search-api", team: "search" };

test("what a provider tells and nobody here knows is in a metric", async () => {
  const live = await openLive();
  const usage = { completion_tokens: 5, dream_tokens: 2, prompt_tokens: 9, total_tokens: 14 };
  const answer = { choices: [{ finish_reason: "stop", index: 0, message: {} }], usage };
  const { grpc, http } = live.service;
  for (const server of [`127.0.0.1:${grpc.port}`, `http://127.0.0.1:${http.port}`]) {
    const weir = openWeir({
      defaults: { ...SCOPE, ...SEARCH, task: "chat" },
      fetch: async () => Response.json(answer),
      server,
    });
    const body = JSON.stringify({ messages: [], model: "gpt-5-mini" });
    const url = "https://api.openai.com/v1/chat/completions";
    await (await weir.fetch(url, { body, method: "POST" })).json();
    expect(await weir.close()).toBe(true);
  }
  const metrics = await (await fetch(`http://127.0.0.1:${http.port}/metrics`)).text();
  expect(metrics).toContain(
    'weir_usage_unknown_fields_total{field="openai.chat usage.dream_tokens"} 2',
  );
  expect(await live.close()).toMatchObject({ differences: [], imbalances: [], owed: 0 });
});

test("the shipped policy, the real service: what the provider billed is what was charged", async () => {
  const live = await openLive();
  const provider = await startProviderSimulator();
  const settlements: bigint[] = [];
  const weir = openWeir({
    defaults: SCOPE,
    onSettled: ({ chargedNanoUsd }) => settlements.push(chargedNanoUsd),
    server: `127.0.0.1:${live.service.grpc.port}`,
  });
  const client = (scope: object): OpenAI =>
    new OpenAI({
      apiKey: SIMULATED_KEYS.openai,
      baseURL: `${provider.url}/v1`,
      fetch: weir.scoped(scope).fetch,
    });
  const messages = [{ content: "Which team should take this ticket?", role: "user" as const }];

  const search = client({ ...SEARCH, task: "chat" });
  const allowed = await search.chat.completions
    .create({ messages, model: "gpt-5-mini" })
    .withResponse();
  expect(callOf(allowed.response)?.decision.effect).toBe("allow");
  expect(JSON.parse(provider.seen[0]?.body ?? "")).toMatchObject({
    max_completion_tokens: expect.any(Number) as number,
  });

  const support = client({ ...SUPPORT, task: "classify" });
  const body = { max_tokens: 20, messages, model: "gpt-6.1-sol" };
  const events = await support.chat.completions.create({ ...body, stream: true });
  for await (const _ of events);
  expect(provider.served[1]?.model).not.toBe("gpt-6.1-sol");

  const secret = client({ ...SEARCH, dataClasses: ["pii"], sensitivity: "restricted" });
  const blocked = secret.chat.completions.create({ messages, model: "gpt-5-mini" });
  await expect(blocked).rejects.toBeInstanceOf(OpenAI.PermissionDeniedError);
  await expect(blocked).rejects.toThrow(/blocked by weir: .*; decision /);
  expect(provider.seen).toHaveLength(2);

  expect(await weir.close()).toBe(true);
  const [first] = provider.served;
  // gpt-5-mini: 0.25 USD in, 2 USD out per million tokens.
  expect(settlements[0]).toBe(BigInt((first?.input ?? 0) * 250 + (first?.output ?? 0) * 2_000));
  expect(settlements).toHaveLength(2);
  await provider.close();
  expect(live.faults).toEqual([]);
  expect(await live.close()).toMatchObject({ differences: [], imbalances: [], owed: 0 });
});
