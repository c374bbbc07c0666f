import { setTimeout as sleep } from "node:timers/promises";

import { WeirError } from "../../engine/errors.ts";
import type { Ids } from "../../engine/ports.ts";
import { type BundleAnswer, type BundleRequest, fetchBundle } from "./fetch.ts";

/** Who takes what a source says; a `BundleDesk`. */
export interface SourceListener {
  readonly etag: string;
  asked(): void;
  unchanged(): void;
  failed(error: WeirError): void;
  offered(bytes: Uint8Array, etag: string): Promise<void>;
}

export interface PollOptions {
  readonly url: string;
  readonly token: string;
  /** Time between two questions to a server that does not wait for changes. */
  readonly pollMs: number;
  /** How long a server may wait for a change before it answers; 0: not at all. */
  readonly longPollMs: number;
  readonly listener: SourceListener;
  readonly ids: Ids;
  /** In place of a timer and of the network, for tests. */
  readonly pause?: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly ask?: (request: BundleRequest) => Promise<BundleAnswer>;
}

/** The first wait after a failure; it doubles up to the time between two polls. */
const RETRY_MS = 100;

/** Asks a bundle server again and again until it is stopped; questions never overlap. */
export function startPolling(options: PollOptions): { stop(): Promise<void> } {
  const aborter = new AbortController();
  const running = poll(options, aborter.signal);
  return {
    stop: async () => {
      aborter.abort();
      await running;
    },
  };
}

async function poll(options: PollOptions, signal: AbortSignal): Promise<void> {
  const { pollMs } = options;
  const pause = options.pause ?? ((ms: number) => sleep(ms, undefined, { signal }));
  let failures = 0;
  while (!signal.aborted) {
    const outcome = await askOnce(options, signal);
    failures = outcome === "failed" ? failures + 1 : 0;
    if (outcome === "waited") continue;
    const longest = failures === 0 ? pollMs : Math.min(pollMs, RETRY_MS * 2 ** (failures - 1));
    // Nodes that started together, or lost the server together, do not ask together.
    const ms = Math.round(longest * (0.5 + fraction(options.ids) / 2));
    await pause(ms, signal).catch(() => undefined);
  }
}

async function askOnce(
  { ask = fetchBundle, listener, longPollMs, token, url }: PollOptions,
  signal: AbortSignal,
): Promise<"answered" | "failed" | "waited"> {
  listener.asked();
  try {
    const answer = await ask({ etag: listener.etag, signal, token, url, waitMs: longPollMs });
    if (answer.kind === "unchanged") listener.unchanged();
    else await listener.offered(answer.bytes, answer.etag);
    return answer.waited ? "waited" : "answered";
  } catch (thrown) {
    if (signal.aborted) return "failed";
    const error = WeirError.from(thrown);
    listener.failed(error);
    // A bundle that is refused was answered: the next one comes when it changes.
    return error.code === "bundle.invalid" ? "answered" : "failed";
  }
}

/** From 0 up to 1, off an id. */
function fraction(ids: Ids): number {
  return Number.parseInt(ids.random128().slice(0, 8), 16) / 2 ** 32;
}
