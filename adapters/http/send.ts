import type { ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { HttpProblem, type Problem, refusalOf } from "./status.ts";

/** Sends one JSON document and ends; a response already begun or gone is left alone. */
export function send(
  response: ServerResponse,
  status: number,
  body: object,
  headers: Readonly<Record<string, string>> = {},
): void {
  if (response.headersSent || response.destroyed) return;
  const text = JSON.stringify(body);
  response.writeHead(status, {
    ...headers,
    "content-type": "application/json; charset=utf-8",
    "content-length": Buffer.byteLength(text),
    "cache-control": "no-store",
  });
  response.end(text);
}

/** Answers what is no HTTP request, which node hands over as a bare socket. */
export function refuseMalformed(error: Error & { readonly code?: string }, socket: Duplex): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const [problem, message] = PROBLEM_BY_CODE[error.code ?? ""] ?? OTHER;
  const { status, body } = refusalOf(new HttpProblem(problem, message));
  const text = JSON.stringify(body);
  socket.end(
    `HTTP/1.1 ${status} ${message}\r\ncontent-type: application/json; charset=utf-8\r\n` +
      `content-length: ${Buffer.byteLength(text)}\r\nconnection: close\r\n\r\n${text}`,
  );
}

const OTHER: readonly [Problem, string] = ["http.malformed", "not a well-formed http request"];

const PROBLEM_BY_CODE: Readonly<Record<string, readonly [Problem, string]>> = {
  HPE_HEADER_OVERFLOW: ["http.headers_too_large", "the headers are too large"],
  ERR_HTTP_REQUEST_TIMEOUT: ["http.timeout", "the request took too long to arrive"],
};
