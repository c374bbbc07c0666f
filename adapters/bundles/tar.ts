import { WeirError } from "../../engine/errors.ts";

/** A regular file of a tar archive; the name as it stands there. */
export interface TarEntry {
  readonly name: string;
  readonly content: Buffer;
}

const BLOCK = 512;
/** Where the fields of a POSIX header are, and how long. */
const FIELD = {
  name: [0, 100],
  mode: [100, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  type: [156, 1],
  magic: [257, 6],
  version: [263, 2],
  prefix: [345, 155],
} as const;
const [CHECKSUM_AT, CHECKSUM_BYTES] = FIELD.checksum;

/**
 * The regular files of an archive in POSIX (ustar, pax) or GNU form; folders are passed over. Links,
 * devices and damage of any kind are `bundle.invalid`.
 */
export function* readTar(bytes: Buffer): Generator<TarEntry> {
  let longName: string | null = null;
  for (let at = 0; at + BLOCK <= bytes.length;) {
    const header = bytes.subarray(at, at + BLOCK);
    if (header.every((byte) => byte === 0)) return;
    if (sumOf(header) !== octal(header, "checksum")) throw damaged(at, "the checksum is wrong");
    const size = octal(header, "size");
    const end = at + BLOCK + size;
    if (end > bytes.length) throw damaged(at, `${size} bytes are announced, fewer are there`);
    const content = bytes.subarray(at + BLOCK, end);
    const type = text(header, "type");
    if (type === "L") longName = content.toString("utf8").replace(/\0.*$/s, "");
    else if (type === "x") longName = paxPath(content) ?? longName;
    else if (type === "" || type === "0" || type === "7") {
      yield { content, name: longName ?? nameOf(header) };
      longName = null;
    } else if (type === "5") longName = null;
    else if (type !== "g") {
      throw damaged(at, `${longName ?? nameOf(header)} is neither a file nor a folder`);
    }
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
  }
}

/** An archive in POSIX form; the same files give the same bytes. Names have at most 100 bytes. */
export function writeTar(entries: readonly TarEntry[]): Buffer {
  const blocks = entries.flatMap(({ content, name }) => {
    const rest = (BLOCK - (content.length % BLOCK)) % BLOCK;
    return [headerOf(name, content.length), content, Buffer.alloc(rest)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK)]);
}

function headerOf(name: string, size: number): Buffer {
  const header = Buffer.alloc(BLOCK);
  if (Buffer.byteLength(name) > FIELD.name[1]) {
    throw new WeirError("bundle.invalid", `${name}: names of files have at most 100 bytes`);
  }
  header.write(name, "utf8");
  header.write("0000644\0", FIELD.mode[0], "latin1");
  header.write(`${size.toString(8).padStart(11, "0")}\0`, FIELD.size[0], "latin1");
  header.write("00000000000\0", FIELD.mtime[0], "latin1");
  header.write("0", FIELD.type[0], "latin1");
  header.write("ustar\0", FIELD.magic[0], "latin1");
  header.write("00", FIELD.version[0], "latin1");
  header.write(`${sumOf(header).toString(8).padStart(6, "0")}\0 `, CHECKSUM_AT, "latin1");
  return header;
}

/** Sum of the header's bytes, the checksum itself counted as spaces. */
function sumOf(header: Buffer): number {
  let sum = 0x20 * CHECKSUM_BYTES;
  for (let at = 0; at < BLOCK; at += 1) {
    if (at < CHECKSUM_AT || at >= CHECKSUM_AT + CHECKSUM_BYTES) sum += header[at] ?? 0;
  }
  return sum;
}

function octal(header: Buffer, field: "checksum" | "size"): number {
  const digits = text(header, field).trim();
  if (!/^[0-7]{1,11}$/.test(digits)) {
    throw new WeirError(
      "bundle.invalid",
      `the archive's ${field} ${JSON.stringify(digits)} is none`,
    );
  }
  return Number.parseInt(digits, 8);
}

function text(header: Buffer, field: keyof typeof FIELD): string {
  const [start, length] = FIELD[field];
  const bytes = header.subarray(start, start + length);
  const end = bytes.indexOf(0);
  return bytes.toString("utf8", 0, end < 0 ? length : end);
}

function nameOf(header: Buffer): string {
  const prefix = text(header, "magic") === "ustar" ? text(header, "prefix") : "";
  const name = text(header, "name");
  return prefix === "" ? name : `${prefix}/${name}`;
}

/** The path of a pax record "LENGTH path=VALUE\n". */
function paxPath(content: Buffer): string | null {
  return /(?:^|\n)\d+ path=([^\n]*)\n/.exec(content.toString("utf8"))?.[1] ?? null;
}

function damaged(at: number, what: string): WeirError {
  return new WeirError("bundle.invalid", `the archive is damaged at byte ${at}: ${what}`);
}
