/**
 * Takes the event that only tells usage out of a stream of OpenAI's chat or completions, for clients that
 * did not ask for it: one with an empty list of choices would surprise them. Every other byte goes
 * through; an event is held back only until its end has come.
 */
export class UsageEventFilter {
  #held: Uint8Array = new Uint8Array();

  /** What may go on now; may be empty. */
  push(chunk: Uint8Array): Uint8Array {
    const bytes = joined([this.#held, chunk]);
    const out: Uint8Array[] = [];
    let start = 0;
    for (let end = eventEnd(bytes, start); end > 0; end = eventEnd(bytes, start)) {
      const event = bytes.subarray(start, end);
      if (!tellsOnlyUsage(event)) out.push(event);
      start = end;
    }
    this.#held = bytes.slice(start);
    return joined(out);
  }

  /** What is left when the stream has ended. */
  end(): Uint8Array {
    const rest = this.#held;
    this.#held = new Uint8Array();
    return tellsOnlyUsage(rest) ? new Uint8Array() : rest;
  }
}

const LF = 10;
const CR = 13;

/** The end of the event that begins at `start`: after its empty line; 0 where that has not come. */
function eventEnd(bytes: Uint8Array, start: number): number {
  for (let at = bytes.indexOf(LF, start); at >= 0; at = bytes.indexOf(LF, at + 1)) {
    const next = bytes[at + 1] === CR ? at + 2 : at + 1;
    if (bytes[next] === LF) return next + 1;
  }
  return 0;
}

const DECODER = new TextDecoder();

function tellsOnlyUsage(event: Uint8Array): boolean {
  const text = DECODER.decode(event);
  if (!text.includes('"usage"') || !/"choices"\s*:\s*\[\s*\]/.test(text)) return false;
  const data = /^data: ?(.*)$/m.exec(text)?.[1];
  try {
    const parsed = JSON.parse(data ?? "") as {
      readonly choices?: unknown;
      readonly usage?: unknown;
    };
    return Array.isArray(parsed.choices) && parsed.choices.length === 0 && Boolean(parsed.usage);
  } catch {
    return false;
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const [first, ...others] = parts.filter(({ length }) => length > 0);
  if (first === undefined) return new Uint8Array();
  if (others.length === 0) return first;
  const whole = new Uint8Array([first, ...others].reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of [first, ...others]) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
