import { status, type ServiceError } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { ERROR_CODES, WeirError, type ErrorCode } from "../../engine/errors.ts";
import { weir as proto } from "../../proto/gen/weir.js";
import { connect } from "./client.ts";
import { decision, fakeWeir, reportResult } from "./testing/fake-weir.ts";
import { latch, sendRaw, started, until } from "./testing/loopback.ts";
import { GRPC_CODES } from "./status.ts";

test("decide, report and cancel carry every field there and back", async () => {
  const answer = decision({
    effect: "reroute",
    reasons: [
      {
        code: "budget.near",
        rule: "r",
        severity: "warning",
        message: "m",
        params: { left: 5, open: true, name: "x" },
        shadow: true,
      },
    ],
    obligations: { max_output_tokens: 512, strip: ["tools"], headers: { "x-a": "b" } },
    mode: "shadow",
    wouldBe: "block",
    retryAfterMs: 1_500,
  });
  const weir = fakeWeir({ decide: () => answer });
  const { client } = await started(weir);
  const decided = await client.decide({ id: "i-1", tokens: { input: 5 } });
  expect(decided).toMatchObject({
    id: answer.id,
    effect: proto.v1.Effect.EFFECT_REROUTE,
    model: answer.model,
    reasons: [
      { code: "budget.near", params: { left: "5", open: "true", name: "x" }, shadow: true },
    ],
    obligations: { maxOutputTokens: 512, strip: ["tools"], headers: { "x-a": "b" } },
    retryAfterMs: 1_500,
    estimate: { priced: true, ceilingMicroUsd: 9_000, outputTokensMax: 4_096 },
    expiresAtMs: answer.expiresAtMs,
    mode: proto.v1.Mode.MODE_SHADOW,
    wouldBe: proto.v1.Effect.EFFECT_BLOCK,
    bundleRevision: "r7",
    decidedAtMs: answer.decidedAtMs,
  });
  expect(weir.intents[0]).toMatchObject({
    raw: { id: "i-1", tokens: { input: 5 } },
    caller: { principal: "tester" },
  });
  const reported = await client.report({ decisionId: "d-9", final: true, outcome: 1 });
  expect(reported).toMatchObject({
    decisionId: "d-9",
    status: proto.v1.ReportStatus.REPORT_STATUS_SETTLED,
    costPicoUsd: "1234567890",
    chargedNanoUsd: 1_234_568,
  });
  expect(await client.cancel("d-9")).toMatchObject({ released: true });
});

test("a charge beyond 2^53 nano-USD arrives exactly", async () => {
  const chargedNanoUsd = 2n ** 60n + 1n;
  const weir = fakeWeir({ report: () => reportResult({ chargedNanoUsd }) });
  const { client } = await started(weir);
  expect((await client.report({ decisionId: "d" })).chargedNanoUsd).toBe(chargedNanoUsd);
});

test("every error code crosses with its gRPC code, message and violations", async () => {
  let thrown: unknown;
  const weir = fakeWeir({
    decide: () => {
      throw thrown;
    },
  });
  const faults: WeirError[] = [];
  const { client } = await started(weir, { onFault: (error) => faults.push(error) });
  const violations = [{ field: "tokens.input", description: "-1 is not accepted" }];
  for (const code of Object.keys(ERROR_CODES) as ErrorCode[]) {
    thrown = new WeirError(code, `what went wrong: ${code}`, { violations });
    const error = await client.decide({}).then(
      () => expect.unreachable(),
      (caught: WeirError) => caught,
    );
    expect(error).toBeInstanceOf(WeirError);
    expect(error.code).toBe(code);
    expect((error.cause as ServiceError).code).toBe(GRPC_CODES[code]);
    const internal = code === "internal";
    expect(error.message).toBe(internal ? "internal error" : `what went wrong: ${code}`);
    expect(error.violations).toMatchObject(internal ? [] : violations);
  }
  thrown = new TypeError("secret detail");
  await expect(client.decide({})).rejects.toMatchObject({
    code: "internal",
    message: "internal error",
  });
  expect(faults.map((fault) => (fault.cause as Error | undefined)?.message)).toEqual([
    undefined,
    "secret detail",
  ]);
});

test("huge, ill-formed or multilingual error texts do not break the trailers", async () => {
  let thrown = new WeirError("intent.invalid", "");
  const weir = fakeWeir({ decide: () => Promise.reject(thrown) });
  const { client } = await started(weir);
  for (const text of ["x".repeat(50_000), "語".repeat(50_000), `a\ud800b\n${"😀".repeat(9_000)}`]) {
    const violations = Array.from({ length: 200 }, () => ({ field: text, description: text }));
    thrown = new WeirError("intent.invalid", text, { violations });
    const error = (await client.decide({}).catch((caught: unknown) => caught)) as WeirError;
    expect(error.code).toBe("intent.invalid");
    expect(error.message.slice(0, 1)).toBe(text.slice(0, 1));
    expect(error.violations.length).toBeGreaterThan(0);
  }
});

test.each([
  ["Decide", "intent.invalid"],
  ["Report", "report.invalid"],
])("malformed bytes to %s are the caller's fault: %s", async (method, code) => {
  const { address, client } = await started(fakeWeir());
  const error = (await sendRaw(address, method, Buffer.from([10, 3, 1])).catch(
    (caught: unknown) => caught,
  )) as ServiceError;
  expect(error.code).toBe(status.INVALID_ARGUMENT);
  expect(error.details).toMatch(/not a valid protobuf: index out of range/);
  const details = String(error.metadata.get("grpc-status-details-bin")[0]);
  expect(details).toContain(code);
  await client.decide({ id: "still works" });
});

test("a message over the limit is refused and the connection survives", async () => {
  const weir = fakeWeir();
  const { client } = await started(weir);
  const first = client.decide({ id: "before" });
  const labels = { big: "x".repeat(300 * 1024) };
  await expect(client.decide({ labels })).rejects.toMatchObject({
    code: "intent.invalid",
    cause: { code: status.RESOURCE_EXHAUSTED },
  });
  await first;
  await client.decide({ id: "after" });
  expect(weir.intents.map(({ raw }) => raw.id)).toEqual(["before", "after"]);
});

test("a cancelled call is told to the engine as undelivered, once", async () => {
  const held = latch();
  const weir = fakeWeir({ decide: async () => (await held.opened, decision({ id: "d-lost" })) });
  const { client } = await started(weir);
  const abort = new AbortController();
  const call = client.decide({ id: "i" }, { signal: abort.signal });
  await until(() => weir.intents.length === 1);
  abort.abort();
  await expect(call).rejects.toMatchObject({ cause: { code: status.CANCELLED } });
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(weir.lost).toEqual([]);
  held.open();
  await until(() => weir.lost.length > 0);
  expect(weir.lost.map(({ id }) => id)).toEqual(["d-lost"]);
});

test("a passed deadline is undelivered too, a repeated answer is not", async () => {
  const held = latch();
  let replayed = false;
  const weir = fakeWeir({ decide: async () => (await held.opened, decision({ replayed })) });
  const { client } = await started(weir);
  await expect(client.decide({}, { timeoutMs: 80 })).rejects.toMatchObject({
    cause: { code: status.DEADLINE_EXCEEDED },
  });
  // The server's own clock ends the call a little after the client's.
  await new Promise((resolve) => setTimeout(resolve, 50));
  held.open();
  await until(() => weir.lost.length === 1);
  replayed = true;
  const abort = new AbortController();
  const call = client.decide({}, { signal: abort.signal });
  abort.abort();
  await expect(call).rejects.toThrow();
  await client.decide({});
  expect(weir.lost).toHaveLength(1);
});

test("more messages in flight than allowed are refused, and let in again", async () => {
  const held = latch();
  const weir = fakeWeir({ decide: async () => (await held.opened, decision()) });
  const { client, address } = await started(weir, { inFlightMax: 2 });
  const two = [client.decide({ id: "1" }), client.decide({ id: "2" })];
  await until(() => weir.intents.length === 2);
  const other = connect({ address });
  await expect(other.decide({})).rejects.toMatchObject({ code: "server.overloaded" });
  other.close();
  held.open();
  await Promise.all(two);
  await client.decide({ id: "3" });
});
