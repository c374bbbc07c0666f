import { Client, credentials, status } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { WeirError } from "../../engine/errors.ts";
import { weir as proto } from "../../proto/gen/weir.js";
import { decoder, encoder } from "../../proto/codec.ts";
import { SERVICE } from "./definition.ts";
import { decision, fakeWeir } from "./testing/fake-weir.ts";
import { latch, started, until } from "./testing/loopback.ts";

const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 100));

test("a thousand intents in flight on one stream each get their own answer", async () => {
  const held = latch();
  const weir = fakeWeir({
    decide: async (raw) => (await held.opened, decision({ id: String(raw.id) })),
  });
  const { client } = await started(weir);
  const stream = client.decideStream();
  const ids = Array.from({ length: 1_000 }, (_, index) => `i-${index}`);
  const answers = Promise.all(ids.map((id) => stream.decide({ id })));
  await until(() => weir.intents.length === 1_000);
  held.open();
  expect((await answers).map(({ id }) => id)).toEqual(ids);
  await stream.end();
  expect(weir.lost).toEqual([]);
});

test("a stream is not read past its bound and goes on when answers leave", async () => {
  const held = latch();
  const weir = fakeWeir({ decide: async () => (await held.opened, decision()) });
  const { client } = await started(weir, { streamInFlightMax: 10 });
  const stream = client.decideStream();
  const answers = Array.from({ length: 500 }, (_, index) => stream.decide({ id: `${index}` }));
  await until(() => weir.intents.length >= 10);
  await settle();
  expect(weir.intents).toHaveLength(10);
  held.open();
  await Promise.all(answers);
  await stream.end();
  expect(weir.intents).toHaveLength(500);
});

test("an error of one message is its answer; the stream lives on", async () => {
  const weir = fakeWeir({
    decide: (raw) => {
      if (raw.id === "bad") {
        const violations = [{ field: "id", description: "not bad" }];
        throw new WeirError("intent.invalid", "intent refused", { violations });
      }
      if (raw.id === "fault") throw new TypeError("secret");
      return decision({ id: String(raw.id) });
    },
  });
  const { client } = await started(weir);
  const stream = client.decideStream();
  await expect(stream.decide({ id: "bad" })).rejects.toMatchObject({
    code: "intent.invalid",
    message: "intent refused",
    violations: [{ field: "id", description: "not bad" }],
  });
  await expect(stream.decide({ id: "fault" })).rejects.toMatchObject({
    code: "internal",
    message: "internal error",
  });
  expect(await stream.decide({ id: "good" })).toMatchObject({ id: "good" });
  await stream.end();
});

test("a malformed message is answered under its tag; the stream lives on", async () => {
  const { address } = await started(fakeWeir());
  const client = new Client(address, credentials.createInsecure());
  const call = client.makeBidiStreamRequest(
    `/${SERVICE}/DecideStream`,
    (bytes: Buffer) => bytes,
    decoder(proto.v1.DecideStreamResponse),
  );
  const answers: proto.v1.DecideStreamResponse[] = [];
  call.on("data", (answer: proto.v1.DecideStreamResponse) => answers.push(answer));
  call.write(Buffer.from([0x08, 42, 0x12, 1, 0x08]));
  call.write(encoder(proto.v1.DecideStreamRequest)({ tag: 2n ** 62n, intent: { id: "i" } }));
  call.end();
  const ended = await new Promise((resolve) => call.on("status", resolve));
  expect(ended).toMatchObject({ code: status.OK });
  expect(answers).toMatchObject([
    { tag: 42, error: { code: status.INVALID_ARGUMENT, reason: "intent.invalid" } },
    { tag: 2n ** 62n, decision: { id: "decision-i" } },
  ]);
  client.close();
});

test("half-close waits for the answers in flight", async () => {
  const held = latch();
  const weir = fakeWeir({ decide: async () => (await held.opened, decision()) });
  const { client } = await started(weir);
  const stream = client.decideStream();
  const answer = stream.decide({ id: "1" });
  const ended = stream.end();
  await until(() => weir.intents.length === 1);
  await settle();
  held.open();
  expect(await answer).toMatchObject({ id: "decision-1" });
  await ended;
});

test("answers a cancelled stream can no longer take are undelivered", async () => {
  const held = latch();
  const weir = fakeWeir({
    decide: async (raw) => {
      if (raw.id !== "quick") await held.opened;
      return decision({ id: String(raw.id) });
    },
  });
  const { client } = await started(weir);
  const stream = client.decideStream();
  await stream.decide({ id: "quick" });
  const pending = ["a", "b"].map((id) => stream.decide({ id }).catch((caught: unknown) => caught));
  await until(() => weir.intents.length === 3);
  stream.cancel();
  for (const error of await Promise.all(pending)) expect(error).toBeInstanceOf(WeirError);
  await settle();
  held.open();
  await until(() => weir.lost.length === 2);
  expect(weir.lost.map(({ id }) => id).toSorted()).toEqual(["a", "b"]);
  await expect(stream.decide({ id: "late" })).rejects.toBeInstanceOf(WeirError);
});

test("reports stream as well", async () => {
  const weir = fakeWeir();
  const { client } = await started(weir);
  const stream = client.reportStream();
  const reports = ["d-1", "d-2"].map((decisionId) => stream.report({ decisionId, final: true }));
  expect(await Promise.all(reports)).toMatchObject([{ decisionId: "d-1" }, { decisionId: "d-2" }]);
  await stream.end();
  expect(weir.reports).toHaveLength(2);
});
