import { hash, randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

import { readAddCheckpoint } from "../../engine/audit/add-checkpoint.ts";
import { type Checkpoint, readCheckpoint } from "../../engine/audit/checkpoint.ts";
import {
  isKeyName,
  type NoteSigner,
  type NoteVerifier,
  readSigner,
  signerOf,
  writeNote,
  writeSignature,
  writeSigner,
} from "../../engine/audit/note.ts";
import { witness } from "../../engine/audit/witness.ts";
import { WeirError } from "../../engine/errors.ts";
import type { Clock } from "../../engine/ports.ts";

export interface WitnessOptions {
  readonly host: string;
  /** 0: the system chooses. */
  readonly port: number;
  /** Folder of the witness's key and of the newest checkpoint of each log. */
  readonly folder: string;
  /** Name of its key, where it has none yet. */
  readonly name: string;
  /** Keys of the logs it watches. */
  readonly logs: readonly NoteVerifier[];
  readonly clock: Clock;
}

export interface WitnessService {
  readonly port: number;
  /** Public key, as those who trust it write it. */
  readonly key: string;
  close(): Promise<void>;
}

const STATUS = { malformed: 400, not_consistent: 422, not_signed: 403, unknown_log: 404 } as const;
const BODY_BYTES_MAX = 64 * 1024;

/**
 * A witness, c2sp.org/tlog-witness: signs a log's checkpoint only if it goes on from the last one it
 * signed. What it signed is on its disk before the answer leaves.
 */
export async function startWitness(options: WitnessOptions): Promise<WitnessService> {
  mkdirSync(options.folder, { recursive: true, mode: 0o700 });
  const signer = openKey(options);
  const server = createServer((request, response) => {
    void answer(request, response, options, signer);
  });
  server.listen(options.port, options.host);
  try {
    await once(server, "listening");
  } catch (cause) {
    const message = `the witness cannot listen on ${options.host}:${options.port}: ${(cause as Error).message}`;
    throw new WeirError("config.invalid", message, { cause });
  }
  return {
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
    key: signer.verifier.text,
    port: (server.address() as AddressInfo).port,
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: WitnessOptions,
  signer: NoteSigner,
): Promise<void> {
  const send = (status: number, text: string, type = "text/plain; charset=utf-8"): void => {
    response.writeHead(status, { "content-type": type }).end(text);
  };
  if (request.url !== "/add-checkpoint") return send(404, "POST /add-checkpoint\n");
  if (request.method !== "POST") return send(405, "POST /add-checkpoint\n");
  try {
    const body = await readBody(request);
    const asked = body === null ? null : readAddCheckpoint(body);
    if (asked === null) return send(400, "not a request to add a checkpoint\n");
    // From here on nothing waits: no other request comes between the check and the record of it.
    const path = checkpointPath(options.folder, asked.checkpoint.origin);
    const made = witness(asked, readLatest(path), options.logs, signer, options.clock.nowMs());
    if (made.kind === "conflict") return send(409, `${made.size}\n`, "text/x.tlog.size");
    if (made.kind !== "signed") return send(STATUS[made.kind], `${made.kind}\n`);
    const { note } = asked.checkpoint;
    keep(path, writeNote({ ...note, signatures: [...note.signatures, made.signature] }));
    return send(200, writeSignature(made.signature));
  } catch (thrown) {
    return send(500, `${WeirError.from(thrown).message}\n`);
  }
}

async function readBody(request: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > BODY_BYTES_MAX) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function checkpointPath(folder: string, origin: string): string {
  return join(folder, `${hash("sha256", origin).slice(0, 32)}.checkpoint`);
}

function readLatest(path: string): Checkpoint | null {
  if (!existsSync(path)) return null;
  const checkpoint = readCheckpoint(readFileSync(path, "utf8"));
  if (checkpoint === null) throw new WeirError("config.invalid", `${path} is not a checkpoint`);
  return checkpoint;
}

function openKey({ folder, name }: WitnessOptions): NoteSigner {
  const path = join(folder, "witness-key");
  if (existsSync(path)) {
    const signer = readSigner(readFileSync(path, "utf8"));
    if (signer?.verifier.kind === "cosignature") return signer;
    throw new WeirError("config.invalid", `${path} is not the key of a witness`);
  }
  if (!isKeyName(name)) {
    throw new WeirError(
      "config.invalid",
      `name: ${JSON.stringify(name)} is not accepted; no blanks and no plus are`,
    );
  }
  const seed = randomBytes(32);
  keep(path, `${writeSigner(name, "cosignature", seed)}\n`);
  return signerOf(name, "cosignature", seed);
}

/** On the disk, whole, once this returns. */
function keep(path: string, text: string): void {
  const draft = `${path}.${process.pid}.draft`;
  const file = openSync(draft, "w", 0o600);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(draft, path);
}
