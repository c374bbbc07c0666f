import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { fromStruct, type JsonObject, textIn, toStruct } from "../../adapters/envoy/codec.ts";
import { sealedTickets } from "../../adapters/envoy/ticket.ts";
import type { Encodable, envoy as api } from "../../proto/gen/envoy.js";
import { type Live, openLive } from "../e2e/live.ts";
import { CheckClient } from "../support/check.ts";
import { SEARCH } from "../support/envoy.ts";

// Goal: T12, only what Envoy says of a call of ours moves money, once, by the stated rule. Method: a whole
// service, and access log entries as Envoy sends them and as nobody should.

type Entry = Encodable<api.data.accesslog.v3.HTTPAccessLogEntry>;

let live: Live;
let envoy: CheckClient;

beforeAll(async () => {
  live = await openLive({
    flags: { "envoy-listen": "127.0.0.1:0" },
    principals: ["search-service"],
  });
  envoy = new CheckClient(live.service.envoy?.port ?? 0);
});

afterAll(async () => {
  envoy.close();
  expect(live.faults).toEqual([]);
  expect(await live.close()).toMatchObject({ differences: [], imbalances: [] });
});

/** The ticket of an allowed call. */
async function allowed(): Promise<string> {
  live.clock.advance(60_000);
  const answer = await envoy.check({
    body: { max_completion_tokens: 50, messages: [], model: "gpt-5-mini" },
    headers: { authorization: `Bearer ${live.keyOf("search-service")}`, ...SEARCH },
  });
  expect(answer.code).toBe(0);
  return textIn(answer.metadata, "ticket");
}

const usage = (input: number, output: number): JsonObject => ({
  usage_last: `{"choices":[],"usage":{"prompt_tokens":${input},"completion_tokens":${output}}}`,
});

function entry(
  ticket: string,
  seen: JsonObject = usage(100, 10),
  change: Encodable<api.data.accesslog.v3.AccessLogCommon> = {},
  response: Encodable<api.data.accesslog.v3.HTTPResponseProperties> = {},
): Entry {
  const filterMetadata = {
    "envoy.filters.http.ext_authz": toStruct({ ticket }),
    weir: toStruct(seen),
  };
  return {
    commonProperties: { metadata: { filterMetadata }, upstreamRemoteAddress: {}, ...change },
    response: { responseBodyBytes: 400, responseCode: { value: 200 }, ...response },
  };
}

/** What became of these entries, by the service's own count. */
async function outcomes(...entries: readonly Entry[]): Promise<Readonly<Record<string, number>>> {
  const before = await counted();
  await envoy.log(...entries);
  const after = await counted();
  const names = Object.keys(after).filter((name) => after[name] !== before[name]);
  return Object.fromEntries(names.map((name) => [name, (after[name] ?? 0) - (before[name] ?? 0)]));
}

async function counted(): Promise<Record<string, number>> {
  const response = await fetch(`http://127.0.0.1:${live.service.http.port}/metrics`);
  const lines = (await response.text()).matchAll(
    /^weir_envoy_settlements_total\{result="(\w+)"\} (\d+)/gm,
  );
  return Object.fromEntries([...lines].map(([, name, count]) => [name, Number(count)]));
}

/** Charged to the tenant's month so far. */
async function settledNanoUsd(): Promise<string> {
  const { balances } = await live.standing();
  const month = balances.find((balance) => balance.startsWith("acme|acme-month|"));
  return /settled (\d+)$/.exec(month ?? "")?.[1] ?? "0";
}

describe("T12 access logs", () => {
  test("the figures of a call settle it; the same again changes nothing", async () => {
    const ticket = await allowed();
    expect(await outcomes(entry(ticket))).toEqual({ settled: 1 });
    const once = await settledNanoUsd();
    expect(await outcomes(entry(ticket))).toEqual({ duplicate: 1 });
    expect(await outcomes(entry(ticket), entry(ticket))).toEqual({ duplicate: 2 });
    expect(await settledNanoUsd()).toBe(once);
  });

  test("other figures for a settled call are refused", async () => {
    const ticket = await allowed();
    expect(await outcomes(entry(ticket))).toEqual({ settled: 1 });
    const before = await settledNanoUsd();
    expect(await outcomes(entry(ticket, usage(1, 1)))).toEqual({ refused: 1 });
    expect(await settledNanoUsd()).toBe(before);
  });

  test("entries without a ticket are no calls of ours", async () => {
    expect(await outcomes(entry(""), { commonProperties: {} })).toEqual({ unmatched: 2 });
  });

  test("entries without a ticket that reached a provider passed while a route was open", async () => {
    const commonProperties = { upstreamCluster: "openai" };
    expect(await outcomes({ commonProperties })).toEqual({ undecided: 1 });
  });

  test("a ticket that is altered, sealed by another or made up is forged", async () => {
    const ticket = await allowed();
    const [body = "", signature = ""] = ticket.split(".");
    const altered = Buffer.from(
      Buffer.from(body, "base64url").toString().replace("gpt-5-mini", "gpt-5-nano"),
    ).toString("base64url");
    const foreign = sealedTickets(Buffer.from("another secret")).seal({
      decisionId: "d1",
      format: "openai.chat",
      inputTokens: 1,
      model: "openai:gpt-5-mini",
      outputTokensMax: 1,
      principal: "local",
    });
    const forged = [
      `${altered}.${signature}`,
      body,
      `${body}.`,
      foreign,
      "x".repeat(5_000),
      "a.b.c",
    ];
    expect(await outcomes(...forged.map((one) => entry(one)))).toEqual({ forged: forged.length });
    expect(await outcomes(entry(ticket))).toEqual({ settled: 1 });
  });

  test.each([
    ["negative", "-5"],
    ["not a number", '"NaN"'],
    ["beyond 64 bits", "1e308"],
    ["a fraction", "1.5"],
  ])("figures that are %s charge nothing below zero and break nothing", async (_, figure) => {
    const ticket = await allowed();
    const told = { usage_last: `{"usage":{"prompt_tokens":${figure},"completion_tokens":1}}` };
    expect(await outcomes(entry(ticket, told))).toEqual({ settled: 1 });
  });

  test("entries in the middle of a call say nothing yet", async () => {
    const ticket = await allowed();
    expect(await outcomes(entry(ticket, usage(1, 1), { accessLogType: 5 }))).toEqual({});
    expect(await outcomes(entry(ticket))).toEqual({ settled: 1 });
  });

  test("bytes that are no entries are refused, and the next ones taken", async () => {
    await envoy.logBytes(Buffer.from([255, 255, 255]));
    expect(await outcomes(entry(await allowed()))).toEqual({ settled: 1 });
  });

  test("a call that reached no provider is released, and one that retried is not", async () => {
    const before = (await live.standing()).open;
    const none = entry(await allowed(), {}, { upstreamRemoteAddress: undefined });
    const failed = entry(
      await allowed(),
      {},
      { responseFlags: { upstreamConnectionFailure: true } },
    );
    expect(await outcomes(none, failed)).toEqual({ settled: 2 });
    expect((await live.standing()).open).toBe(before);
    const charged = await settledNanoUsd();
    const retried = entry(
      await allowed(),
      {},
      {
        responseFlags: { upstreamConnectionFailure: true },
        upstreamRequestAttemptCount: 2,
      },
    );
    expect(await outcomes(retried)).toEqual({ settled: 1 });
    expect(await settledNanoUsd()).not.toBe(charged);
  });

  test("a figure of zero is a figure", async () => {
    const ticket = await allowed();
    const before = await settledNanoUsd();
    expect(await outcomes(entry(ticket, usage(0, 0)))).toEqual({ settled: 1 });
    expect(await settledNanoUsd()).toBe(before);
  });
});

test("metadata survives the way there and back", () => {
  const metadata = { flag: false, list: [1, "a", null, { deep: true }], text: "é", zero: 0 };
  expect(fromStruct(toStruct(metadata) as never)).toEqual(metadata);
});
