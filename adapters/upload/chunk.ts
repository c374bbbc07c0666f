import { gzipSync } from "node:zlib";

/** Events that go out together. */
export interface Chunk {
  /** A gzipped JSON array. */
  readonly body: Buffer;
  readonly events: number;
}

/**
 * As many of the first events as fit into `limitBytes` gzipped, found by halving; null where not even
 * one does. `texts` are JSON, at least one.
 */
export function packChunk(texts: readonly string[], limitBytes: number): Chunk | null {
  for (let events = texts.length; events >= 1; events = Math.floor(events / 2)) {
    const body = gzipSync(`[${texts.slice(0, events).join(",")}]`);
    if (body.length <= limitBytes) return { body, events };
  }
  return null;
}
