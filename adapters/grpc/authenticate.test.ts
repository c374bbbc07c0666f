import { Metadata } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { WeirError } from "../../engine/errors.ts";
import { keyOf, type Authenticator } from "./authenticate.ts";
import { connect } from "./client.ts";
import { fakeWeir } from "./testing/fake-weir.ts";
import { started } from "./testing/loopback.ts";

function metadata(entries: readonly (readonly [string, string])[]): Metadata {
  const built = new Metadata();
  for (const [name, value] of entries) built.add(name, value);
  return built;
}

test.each([
  ["nothing", [], null],
  ["a bearer key", [["authorization", "Bearer weir_a_b"]], "weir_a_b"],
  ["any case of bearer", [["authorization", "bearer  weir_a_b"]], "weir_a_b"],
  ["our own header", [["x-weir-key", "weir_a_b"]], "weir_a_b"],
  ["an empty header, which is not no key", [["x-weir-key", ""]], ""],
] as const)("the key in %s", (_name, entries, key) => {
  expect(keyOf(metadata(entries))).toBe(key);
});

test.each([
  ["another scheme", [["authorization", "Basic abc"]]],
  ["a bare key", [["authorization", "weir_a_b"]]],
  ["an empty bearer", [["authorization", "Bearer "]]],
  [
    "another scheme beside our header",
    [
      ["authorization", "Basic abc"],
      ["x-weir-key", "weir_a_b"],
    ],
  ],
  [
    "two keys",
    [
      ["x-weir-key", "weir_a_b"],
      ["x-weir-key", "weir_c_d"],
    ],
  ],
] as const)("%s is refused, never taken for no key", (_name, entries) => {
  expect(() => keyOf(metadata(entries))).toThrow(WeirError);
});

/** One key that can be revoked. */
function oneKey(): Authenticator & { revoked: boolean; peers: Set<string> } {
  const authenticator = {
    revoked: false,
    peers: new Set<string>(),
    authenticate: (key: string | null, peer: string) => {
      authenticator.peers.add(peer.replace(/\d+$/, "port"));
      if (key !== "weir_good" || authenticator.revoked) {
        throw new WeirError("auth.unauthenticated", "the API key is not known");
      }
      return { principal: "svc-1" };
    },
  };
  return authenticator;
}

test("callers are let in by key, on calls and streams, before anything is decoded", async () => {
  const weir = fakeWeir();
  const authenticator = oneKey();
  const { client: stranger, address } = await started(weir, { authenticator });
  const refused = { code: "auth.unauthenticated", message: "the API key is not known" };
  await expect(stranger.decide({ id: "1" })).rejects.toMatchObject(refused);
  await expect(stranger.report({ decisionId: "1" })).rejects.toMatchObject(refused);
  await expect(stranger.cancel("1")).rejects.toMatchObject(refused);
  await expect(stranger.decideStream().decide({ id: "1" })).rejects.toMatchObject(refused);
  await expect(stranger.reportStream().report({})).rejects.toMatchObject(refused);
  expect(weir.intents).toEqual([]);
  const client = connect({ address, key: "weir_good" });
  await client.decide({ id: "2" });
  expect(weir.intents).toMatchObject([{ caller: { principal: "svc-1" } }]);
  expect(authenticator.peers).toEqual(new Set(["127.0.0.1:port"]));
  client.close();
});

test("a key revoked while a stream is open ends the stream", async () => {
  const weir = fakeWeir();
  const authenticator = oneKey();
  const { address } = await started(weir, { authenticator });
  const client = connect({ address, key: "weir_good" });
  const stream = client.decideStream();
  await stream.decide({ id: "1" });
  authenticator.revoked = true;
  await expect(stream.decide({ id: "2" })).rejects.toMatchObject({ code: "auth.unauthenticated" });
  await expect(stream.end()).rejects.toMatchObject({ code: "auth.unauthenticated" });
  expect(weir.intents).toHaveLength(1);
  client.close();
});
