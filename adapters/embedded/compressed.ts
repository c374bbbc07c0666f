import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { open, rename, rm, unlink } from "node:fs/promises";
import { promisify } from "node:util";
import { zstdCompress, zstdDecompressSync } from "node:zlib";

import { WeirError } from "../../engine/errors.ts";

/**
 * Sealed segments in zstd's seekable format: frames of a mebibyte each and, in a frame that
 * decompressors skip, the table of their lengths. `zstd -d` gives the segment back, and a reader needs
 * one frame at a time.
 */

const compress = promisify(zstdCompress);

const FRAME_BYTES = 1 << 20;
const SKIPPABLE = 0x184d2a5e;
const SEEKABLE = 0x8f92eab1;
const FOOTER_BYTES = 9;
const SKIP_HEAD_BYTES = 8;
const ENTRY_BYTES = 8;

interface FrameLength {
  readonly compressed: number;
  readonly plain: number;
}

/**
 * Puts the compressed form of a file in its place, off the event loop, a frame at a time. Killed or
 * stopped at any point, one of the two is whole: the plain file counts for as long as it is there.
 */
export async function compressFile(path: string, isStopped: () => boolean): Promise<void> {
  const draft = `${path}.zst.draft`;
  try {
    if (!(await writeFrames(path, draft, isStopped))) return;
    await rename(draft, `${path}.zst`);
    await unlink(path);
  } finally {
    await rm(draft, { force: true });
  }
}

async function writeFrames(
  path: string,
  draft: string,
  isStopped: () => boolean,
): Promise<boolean> {
  const from = await open(path, "r");
  try {
    const to = await open(draft, "w", 0o600);
    try {
      const frames: FrameLength[] = [];
      const plain = Buffer.allocUnsafe(FRAME_BYTES);
      for (;;) {
        if (isStopped()) return false;
        const { bytesRead } = await from.read(plain, 0, FRAME_BYTES, null);
        if (bytesRead === 0) break;
        const frame = await compress(plain.subarray(0, bytesRead));
        await to.appendFile(frame);
        frames.push({ compressed: frame.length, plain: bytesRead });
      }
      await to.appendFile(seekTable(frames));
      await to.sync();
      return true;
    } finally {
      await to.close();
    }
  } finally {
    await from.close();
  }
}

function seekTable(frames: readonly FrameLength[]): Buffer {
  const table = Buffer.alloc(SKIP_HEAD_BYTES + frames.length * ENTRY_BYTES + FOOTER_BYTES);
  table.writeUInt32LE(SKIPPABLE, 0);
  table.writeUInt32LE(table.length - SKIP_HEAD_BYTES, 4);
  for (const [index, { compressed, plain }] of frames.entries()) {
    table.writeUInt32LE(compressed, SKIP_HEAD_BYTES + index * ENTRY_BYTES);
    table.writeUInt32LE(plain, SKIP_HEAD_BYTES + index * ENTRY_BYTES + 4);
  }
  table.writeUInt32LE(frames.length, table.length - FOOTER_BYTES);
  table.writeUInt32LE(SEEKABLE, table.length - 4);
  return table;
}

/** What a compressed file held, a frame at a time; damage is `log.corrupt`. */
export function* compressedChunks(path: string): Generator<Buffer> {
  const file = openSync(path, "r");
  try {
    let position = 0;
    for (const { compressed, plain } of readSeekTable(file, path)) {
      const chunk = decompress(readAt(file, position, compressed, path), path);
      if (chunk.length !== plain) throw damaged(path, `a frame holds ${chunk.length} bytes`);
      position += compressed;
      yield chunk;
    }
  } finally {
    closeSync(file);
  }
}

function readSeekTable(file: number, path: string): readonly FrameLength[] {
  const { size } = fstatSync(file);
  const footer = readAt(file, size - FOOTER_BYTES, FOOTER_BYTES, path);
  const count = footer.readUInt32LE(0);
  const length = count * ENTRY_BYTES;
  if (footer.readUInt32LE(5) !== SEEKABLE || length > size) {
    throw damaged(path, "it does not end in a table of its frames");
  }
  const table = readAt(file, size - FOOTER_BYTES - length, length, path);
  const frames = Array.from({ length: count }, (_, index) => ({
    compressed: table.readUInt32LE(index * ENTRY_BYTES),
    plain: table.readUInt32LE(index * ENTRY_BYTES + 4),
  }));
  const sum = frames.reduce((total, { compressed }) => total + compressed, 0);
  if (sum + SKIP_HEAD_BYTES + length + FOOTER_BYTES !== size) {
    throw damaged(path, "its frames are not as long as its table says");
  }
  return frames;
}

function readAt(file: number, position: number, length: number, path: string): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  if (position < 0 || readSync(file, bytes, 0, length, position) !== length) {
    throw damaged(path, "it is cut short");
  }
  return bytes;
}

function decompress(frame: Buffer, path: string): Buffer {
  try {
    return zstdDecompressSync(frame, { maxOutputLength: FRAME_BYTES });
  } catch (cause) {
    throw damaged(path, `a frame does not decompress: ${String(cause)}`);
  }
}

function damaged(path: string, what: string): WeirError {
  return new WeirError("log.corrupt", `${path}: ${what}`);
}
