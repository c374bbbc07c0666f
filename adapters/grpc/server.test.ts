import { join } from "node:path";
import { credentials, loadPackageDefinition, status } from "@grpc/grpc-js";
import type { Client, ClientDuplexStream, ServiceClientConstructor } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { service as healthService } from "grpc-health-check";
import protobuf from "protobufjs";
import descriptor from "protobufjs/ext/descriptor.js";
import { expect, onTestFinished, test } from "vitest";
import { connect } from "./client.ts";
import { ADMIN_SERVICE, SERVICE } from "./definition.ts";
import { fakeOperator } from "./testing/fake-operator.ts";
import { decision, fakeWeir } from "./testing/fake-weir.ts";
import { ANYONE, latch, started, until } from "./testing/loopback.ts";
import { startGrpcServer } from "./server.ts";

interface HealthClient extends Client {
  check(
    request: { service: string },
    callback: (error: { code: status } | null, answer?: { status: string }) => void,
  ): void;
  watch(request: { service: string }): {
    on(event: string, listener: (value: never) => void): void;
  };
}

function healthClient(address: string): HealthClient {
  const constructor = loadPackageDefinition({ "grpc.health.v1.Health": healthService }) as {
    grpc: { health: { v1: { Health: ServiceClientConstructor } } };
  };
  const client = new constructor.grpc.health.v1.Health(address, credentials.createInsecure());
  onTestFinished(() => client.close());
  return client as unknown as HealthClient;
}

function health(address: string, service: string): Promise<string> {
  return new Promise((resolve) => {
    healthClient(address).check({ service }, (error, answer) =>
      resolve(answer?.status ?? status[error?.code ?? 0] ?? ""),
    );
  });
}

test("health answers for the server and the service", async () => {
  const { address } = await started(fakeWeir());
  expect(await health(address, "")).toBe("SERVING");
  expect(await health(address, SERVICE)).toBe("SERVING");
  expect(await health(address, "nothing.Else")).toBe("NOT_FOUND");
});

test("a reflection client can list the services and read the contract", async () => {
  const { operator } = fakeOperator();
  const { address } = await started(fakeWeir(), { operator });
  expect(await health(address, ADMIN_SERVICE)).toBe("SERVING");
  const proto = join(
    import.meta.dirname,
    "../../node_modules/@grpc/reflection/build/proto/grpc/reflection/v1/reflection.proto",
  );
  const { grpc } = loadPackageDefinition(loadSync(proto)) as unknown as {
    grpc: { reflection: { v1: { ServerReflection: ServiceClientConstructor } } };
  };
  const Reflection = grpc.reflection.v1.ServerReflection;
  const client = new Reflection(address, credentials.createInsecure()) as unknown as Client & {
    ServerReflectionInfo(): ClientDuplexStream<object, ReflectionAnswer>;
  };
  onTestFinished(() => client.close());
  const call = client.ServerReflectionInfo();
  const answers: ReflectionAnswer[] = [];
  call.on("data", (answer: ReflectionAnswer) => answers.push(answer));
  call.write({ listServices: "" });
  call.write({ fileContainingSymbol: SERVICE });
  call.end();
  await new Promise((resolve) => call.on("end", resolve));
  const names = answers[0]?.listServicesResponse?.service.map(({ name }) => name);
  expect(names?.toSorted()).toEqual(["grpc.health.v1.Health", ADMIN_SERVICE, SERVICE]);
  const files = answers[1]?.fileDescriptorResponse?.fileDescriptorProto ?? [];
  const set = descriptor.FileDescriptorSet.create({
    file: files.map((bytes) => descriptor.FileDescriptorProto.decode(bytes)),
  });
  const root = (
    protobuf.Root as unknown as { fromDescriptor(set: object): protobuf.Root }
  ).fromDescriptor(set);
  expect(Object.keys(root.lookupService(SERVICE).methods)).toContain("DecideStream");
  expect(root.lookupType("weir.v1.Intent").fields["attribution"]).toBeDefined();
});

interface ReflectionAnswer {
  listServicesResponse?: { service: { name: string }[] };
  fileDescriptorResponse?: { fileDescriptorProto: Uint8Array[] };
}

test("an address that cannot be listened on is one clear error", async () => {
  const { server } = await started(fakeWeir());
  const options = { weir: fakeWeir(), authenticator: ANYONE };
  await expect(
    startGrpcServer({ ...options, host: "127.0.0.1", port: server.port }),
  ).rejects.toMatchObject({
    code: "config.invalid",
    message: expect.stringContaining(`cannot listen on 127.0.0.1:${server.port}: `),
  });
  await expect(
    startGrpcServer({ ...options, host: "no.such.host.invalid", port: 0 }),
  ).rejects.toMatchObject({ code: "config.invalid" });
});

test("drain answers what is in flight, refuses what is new and ends", async () => {
  const held = latch();
  const weir = fakeWeir({ decide: async () => (await held.opened, decision()) });
  const { client, server, address } = await started(weir);
  const call = client.decide({ id: "1" });
  await until(() => weir.intents.length === 1);
  const drained = server.drain(5_000);
  await expect(client.decide({ id: "2" }, { timeoutMs: 500 })).rejects.toThrow();
  await expect(connect({ address }).decide({}, { timeoutMs: 500 })).rejects.toMatchObject({
    cause: { code: status.UNAVAILABLE },
  });
  held.open();
  expect(await call).toMatchObject({ id: "decision-1" });
  expect(await drained).toBe(true);
  expect(await server.drain(5_000)).toBe(true);
});

test("drain ends an open stream after its answers, with server.draining", async () => {
  const held = latch();
  const weir = fakeWeir({ decide: async () => (await held.opened, decision()) });
  const { client, server } = await started(weir);
  const stream = client.decideStream();
  const answer = stream.decide({ id: "1" });
  await until(() => weir.intents.length === 1);
  const begun = performance.now();
  const drained = server.drain(10_000);
  setTimeout(() => held.open(), 100);
  expect(await answer).toMatchObject({ id: "decision-1" });
  await expect(stream.end()).rejects.toMatchObject({ code: "server.draining" });
  expect(await drained).toBe(true);
  expect(performance.now() - begun).toBeLessThan(2_000);
});

test("drain is not held up by an idle stream or a health watch", async () => {
  const { client, server, address } = await started(fakeWeir());
  const stream = client.decideStream();
  await stream.decide({ id: "1" });
  const seen: string[] = [];
  const watch = healthClient(address).watch({ service: "" });
  watch.on("data", ({ status: now }: { status: string }) => seen.push(now));
  const closed = new Promise((resolve) => watch.on("error", resolve));
  await until(() => seen.length === 1);
  const begun = performance.now();
  expect(await server.drain(10_000)).toBe(true);
  expect(performance.now() - begun).toBeLessThan(2_000);
  await closed;
  expect(performance.now() - begun).toBeLessThan(2_000);
  expect(seen).toEqual(["SERVING", "NOT_SERVING"]);
});

test("drain cuts off what does not end in time, and its answer is undelivered", async () => {
  const held = latch();
  const weir = fakeWeir({ decide: async () => (await held.opened, decision()) });
  const { client, server } = await started(weir);
  const call = client.decide({ id: "1" });
  const stream = client.decideStream();
  const message = stream.decide({ id: "2" });
  await until(() => weir.intents.length === 2);
  const begun = performance.now();
  const drained = server.drain(100);
  await expect(call).rejects.toThrow();
  await expect(message).rejects.toThrow();
  expect(await drained).toBe(false);
  expect(performance.now() - begun).toBeLessThan(2_000);
  held.open();
  await until(() => weir.lost.length === 2);
});

test("it listens on a local socket", async () => {
  const host = `unix:/tmp/weir-test-${process.pid}.sock`;
  const peers: string[] = [];
  const authenticator = {
    authenticate: (_key: string | null, peer: string) => {
      peers.push(peer);
      return { principal: "local" };
    },
  };
  const server = await startGrpcServer({ weir: fakeWeir(), authenticator, host, port: 0 });
  const client = connect({ address: host });
  expect(await client.decide({ id: "1" })).toMatchObject({ id: "decision-1" });
  expect(peers).toEqual(["unix:"]);
  client.close();
  await server.drain(200);
});
