import { Client, credentials } from "@grpc/grpc-js";
import { onTestFinished } from "vitest";
import type { Authenticator } from "../authenticate.ts";
import { connect, type WeirClient } from "../client.ts";
import { SERVICE } from "../definition.ts";
import type { FakeWeir } from "./fake-weir.ts";
import type { GrpcServer } from "../host.ts";
import { startGrpcServer, type GrpcServerOptions } from "../server.ts";

/** Lets everyone in. */
export const ANYONE: Authenticator = { authenticate: () => ({ principal: "tester" }) };

/** For tests: a server on a free loopback port with one client; both end with the test. */
export async function started(
  weir: FakeWeir,
  options: Partial<GrpcServerOptions> = {},
): Promise<{ client: WeirClient; server: GrpcServer; address: string }> {
  const defaults = { authenticator: ANYONE, host: "127.0.0.1", port: 0 };
  const server = await startGrpcServer({ ...defaults, weir, ...options });
  const address = `127.0.0.1:${server.port}`;
  const client = connect({ address });
  onTestFinished(async () => {
    client.close();
    await server.drain(200);
  });
  return { client, server, address };
}

/** For tests: sends raw bytes to a unary method, as a broken client would. */
export function sendRaw(address: string, method: string, bytes: Uint8Array): Promise<Buffer> {
  const client = new Client(address, credentials.createInsecure());
  onTestFinished(() => client.close());
  const same = (value: Buffer): Buffer => value;
  return new Promise((resolve, reject) => {
    const path = `/${SERVICE}/${method}`;
    client.makeUnaryRequest(path, same, same, Buffer.from(bytes), (error, answer) => {
      if (error) reject(error);
      else resolve(answer ?? Buffer.alloc(0));
    });
  });
}

/** For tests: something to wait at until it is opened. */
export function latch(): { opened: Promise<void>; open: () => void } {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open };
}

/** For tests: waits until a condition holds, five seconds at most. */
export async function until(condition: () => boolean): Promise<void> {
  const giveUpAt = Date.now() + 5_000;
  while (!condition()) {
    if (Date.now() > giveUpAt) throw new Error("the condition did not come true");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
