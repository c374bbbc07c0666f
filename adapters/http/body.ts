import type { IncomingMessage } from "node:http";
import { LIMITS } from "../../engine/limits.ts";
import { HttpProblem } from "./status.ts";

/** Reads a JSON body within the limit; null if the client left before it was complete. */
export async function readJson(
  request: IncomingMessage,
  bytesMax: number = LIMITS.messageBytes,
): Promise<{ readonly json: unknown } | null> {
  checkHeaders(request, bytesMax);
  const bytes = await readBytes(request, bytesMax);
  return bytes === null ? null : { json: parse(bytes) };
}

function checkHeaders(request: IncomingMessage, bytesMax: number): void {
  const [type = "", ...parameters] = (request.headers["content-type"] ?? "")
    .toLowerCase()
    .split(";");
  const charset = parameters.map((part) => part.trim()).find((part) => part.startsWith("charset="));
  const isUtf8 = charset === undefined || /^charset="?utf-8"?$/.test(charset);
  if (type.trim() !== "application/json" || !isUtf8) {
    const shown = JSON.stringify((request.headers["content-type"] ?? "").slice(0, 64));
    const message = `content-type ${shown} is not accepted; accepted is application/json in UTF-8`;
    throw new HttpProblem("http.unsupported_media_type", message);
  }
  const encoding = request.headers["content-encoding"] ?? "identity";
  if (encoding.toLowerCase() !== "identity") {
    const message = `content-encoding ${JSON.stringify(encoding.slice(0, 64))} is not accepted; send the body as it is`;
    throw new HttpProblem("http.unsupported_media_type", message);
  }
  const announced = Number(request.headers["content-length"] ?? 0);
  if (announced > bytesMax) throw tooLarge(announced, bytesMax);
}

function readBytes(request: IncomingMessage, bytesMax: number): Promise<Buffer | null> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size <= bytesMax) {
        chunks.push(chunk);
        return;
      }
      chunks.length = 0;
      reject(tooLarge(size, bytesMax));
      if (size > DISCARDED * bytesMax) request.destroy();
    });
    request.once("end", () => resolve(Buffer.concat(chunks)));
    request.once("error", () => resolve(null));
    // After "end" this changes nothing: a promise settles once.
    request.once("close", () => resolve(null));
  });
}

function parse(bytes: Buffer): unknown {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new HttpProblem("http.malformed", "the body is not valid UTF-8");
  }
  if (text.trim() === "")
    throw new HttpProblem("http.malformed", "the body is empty; JSON is accepted");
  try {
    return JSON.parse(text);
  } catch (cause) {
    // Node's message quotes the body, which may hold what must not reach a log.
    const position = /position (\d+)/.exec(String(cause))?.[1];
    const where = position === undefined ? "" : ` at position ${position}`;
    throw new HttpProblem("http.malformed", `the body is not valid JSON${where}`);
  }
}

// A client reads its 413 only after it has sent its body, so that much is read and thrown away.
const DISCARDED = 16;

function tooLarge(bytes: number, bytesMax: number): HttpProblem {
  const message = `the body is too large; at most ${bytesMax} bytes are accepted`;
  const headers = bytes > DISCARDED * bytesMax ? { connection: "close" } : undefined;
  return new HttpProblem("http.body_too_large", message, headers);
}
