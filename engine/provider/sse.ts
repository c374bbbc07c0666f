/**
 * Splits a stream of server-sent events into the data of its events. Any byte may be a chunk border;
 * lines may end in LF, CR or CRLF; data over several lines is joined.
 */
export class SseSplitter {
  readonly #onData: (data: string) => void;
  readonly #decoder = new TextDecoder();
  /** The unfinished line. */
  #line = "";
  #data: string[] = [];
  #bytes = 0;
  #skipping = false;
  /** The last byte was a CR: an LF now belongs to it. */
  #afterReturn = false;

  constructor(onData: (data: string) => void) {
    this.#onData = onData;
  }

  push(chunk: Uint8Array): void {
    const text = this.#decoder.decode(chunk, STREAM);
    let start = 0;
    for (let at = 0; at < text.length; at += 1) {
      const code = text.charCodeAt(at);
      if (code !== LF && code !== CR) {
        this.#afterReturn = false;
        continue;
      }
      if (code === LF && this.#afterReturn) {
        this.#afterReturn = false;
        start = at + 1;
        continue;
      }
      this.#afterReturn = code === CR;
      this.#take(this.#line + text.slice(start, at));
      this.#line = "";
      start = at + 1;
    }
    this.#line += text.slice(start);
    if (this.#line.length > EVENT_CHARS_MAX) {
      this.#line = this.#line.slice(0, 8);
      this.#skipping = true;
    }
  }

  /** An event that the end cut off counts where its data is whole. */
  end(): void {
    if (this.#line !== "") this.#take(this.#line);
    this.#line = "";
    this.#dispatch();
  }

  #take(line: string): void {
    if (line === "") {
      this.#dispatch();
      return;
    }
    if (!line.startsWith("data:")) return;
    const data = line.charCodeAt(5) === BLANK ? line.slice(6) : line.slice(5);
    this.#bytes += data.length;
    if (this.#bytes > EVENT_CHARS_MAX) this.#skipping = true;
    if (!this.#skipping) this.#data.push(data);
  }

  #dispatch(): void {
    const data = this.#data;
    const skipped = this.#skipping;
    this.#data = [];
    this.#bytes = 0;
    this.#skipping = false;
    if (!skipped && data.length > 0) this.#onData(data.join("\n"));
  }
}

/** An event larger than this is passed over; figures are far smaller. */
const EVENT_CHARS_MAX = 16 * 1024 * 1024;
const STREAM = { stream: true } as const;
const LF = 10;
const CR = 13;
const BLANK = 32;
