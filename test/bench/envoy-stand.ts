import { mkdtempSync, rmSync } from "node:fs";
import { Agent, createServer, request as httpRequest, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";

import { localConfiguration, type Profile } from "../../adapters/cli/envoy/configuration.ts";
import { runEnvoy } from "../../adapters/cli/envoy/run-envoy.ts";
import { provideEnvoy, PROVIDER_KEYS, SEARCH } from "../support/envoy.ts";
import { freePort } from "../support/peer.ts";
import { Child } from "./child.ts";

const PATH = "/openai/v1/chat/completions";
const SENTENCE = "The weir at the upper end of the canal holds back what the mill does not need. ";
const messages = [{ content: SENTENCE.repeat(50), role: "user" }];
/** A chat of 4 KiB. */
export const CHAT_4K = { max_completion_tokens: 40, messages, model: "gpt-5-mini" };

/** Envoy between this process, which is client and provider at once, and what it asks. */
export interface EnvoyStand {
  /** Port for Envoy of the process that it asks. */
  readonly port: number;
  readonly key: string;
  readonly child: Child;
  /** One whole call; the effect that Weir told, "" for none. */
  call(): Promise<string>;
  /** Opens a stream, which takes the stamps of events until it is told to end. */
  stream(onDelay: (delayMs: number) => void): Promise<void>;
  /** Sends an event, which carries the time, on every open stream. */
  event(): void;
  endStreams(): void;
  close(): Promise<void>;
}

/** What Envoy asks: Weir, a server that always allows, or nobody. */
export type Asked = "weir" | "allow" | "nobody";

export async function openEnvoyStand(profile: Profile, asked: Asked): Promise<EnvoyStand> {
  const folder = mkdtempSync(join(tmpdir(), "weir-bench-"));
  const child = new Child(
    "envoy-child.ts",
    [asked === "weir" ? "weir" : "allow", folder],
    ["--expose-gc"],
  );
  const { key, port } = await child.ask<{ readonly key: string; readonly port: number }>();
  const provider = await startProvider();
  const host = "127.0.0.1";
  const [adminPort, listenPort] = [await freePort(), await freePort()];
  const admin = { host, port: adminPort };
  const places = {
    admin,
    listen: { host, port: listenPort },
    provider: { host, port: provider.port },
    weir: { host, port },
  };
  const configuration = localConfiguration(profile, places);
  const envoy = await runEnvoy({
    admin,
    configuration: asked === "nobody" ? alone(configuration) : configuration,
    env: { ...process.env, ...PROVIDER_KEYS },
    program: provideEnvoy(),
  });
  const agent = new Agent({ keepAlive: true, maxSockets: 4_096 });
  const headers = {
    authorization: `Bearer ${key}`,
    "content-type": "application/json",
    ...SEARCH,
    ...(asked === "nobody" ? { "x-weir-route": "openai" } : {}),
  };
  const send = (body: object, take: (chunk: Buffer) => void) => {
    const text = JSON.stringify(body);
    const answered = Promise.withResolvers<string>();
    const begun = Promise.withResolvers<void>();
    const options = { agent, headers: { ...headers, "content-length": Buffer.byteLength(text) } };
    const url = `http://${host}:${listenPort}${PATH}`;
    const sent = httpRequest(url, { ...options, method: "POST" }, (response) => {
      const { headers: told, statusCode } = response;
      if (statusCode !== 200) answered.reject(new Error(`envoy answered ${statusCode}`));
      begun.resolve();
      response.on("data", take);
      response.on("end", () => answered.resolve(String(told["x-weir-effect"] ?? "")));
    });
    sent.on("error", answered.reject);
    sent.end(text);
    return { answered: answered.promise, begun: begun.promise };
  };
  return {
    call: () => send(CHAT_4K, () => {}).answered,
    child,
    close: async () => {
      agent.destroy();
      await envoy.stop();
      await provider.close();
      await child.close();
      rmSync(folder, { force: true, recursive: true });
    },
    endStreams: () => provider.endStreams(),
    event: () => provider.event(),
    key,
    port,
    stream: async (onDelay) => {
      let pending = "";
      const call = send({ ...CHAT_4K, stream: true }, (chunk) => {
        const nowMs = performance.now();
        const lines = (pending + chunk.toString()).split("\n");
        pending = lines.pop() ?? "";
        for (const line of lines) {
          const stamp = /"content":"([\d.]+)"/.exec(line)?.[1];
          if (stamp !== undefined) onDelay(nowMs - Number(stamp));
        }
      });
      call.answered.catch(() => {});
      await call.begun;
    },
  };
}

/** The same listener, routes and clusters with nobody to ask. */
function alone(configuration: string): string {
  const { static_resources: resources, ...rest } = JSON.parse(configuration);
  for (const { filter_chains: chains } of resources.listeners) {
    const manager = chains[0].filters[0].typed_config;
    manager.http_filters = manager.http_filters.slice(-1);
    delete manager.access_log;
    delete manager.early_header_mutation_extensions;
  }
  return JSON.stringify({ ...rest, static_resources: resources });
}

/** Answers chats at once, and streams when told. */
async function startProvider() {
  const streams = new Set<ServerResponse>();
  const usage = { completion_tokens: 12, prompt_tokens: 800, total_tokens: 812 };
  const choices = [{ finish_reason: "stop", index: 0, message: { content: SENTENCE } }];
  const whole = JSON.stringify({ choices, model: "gpt-5-mini", usage });
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      if (!Buffer.concat(chunks).includes('"stream":true')) {
        response.writeHead(200, { "content-type": "application/json" });
        response.end(whole);
        return;
      }
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.flushHeaders();
      streams.add(response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
    endStreams: () => {
      for (const stream of streams) {
        stream.end(`data: ${JSON.stringify({ choices: [], usage })}\n\ndata: [DONE]\n\n`);
      }
      streams.clear();
    },
    event: () => {
      for (const stream of streams) {
        const delta = { content: String(performance.now()) };
        stream.write(`data: ${JSON.stringify({ choices: [{ delta, index: 0 }] })}\n\n`);
      }
    },
    port: (server.address() as AddressInfo).port,
  };
}
