import { statSync, truncateSync } from "node:fs";
import { join } from "node:path";

import { corrupt, listSegments, parseLine, rawLines } from "./segments.ts";

export interface Tail {
  /** Segment to go on with; null if there is none. */
  readonly segment: string | null;
  readonly lastNumber: number;
  /** What was cut off, in words; "" for nothing. */
  readonly repaired: string;
}

/**
 * Finds the end of the log. A last line without its end was cut in the middle of its write and is
 * removed: its answer never left. Any other damage is `log.corrupt`: it is not ours to drop.
 */
export function repairTail(folder: string): Tail {
  const segments = listSegments(folder);
  const segment = segments.at(-1);
  if (segment === undefined) return { lastNumber: 0, repaired: "", segment: null };
  const path = join(folder, segment);
  let lastNumber = Number.parseInt(segment, 10) - 1;
  let position = 0;
  let goodBytes = 0;
  let isCut = false;
  for (const raw of rawLines(path)) {
    if (!raw.whole) {
      isCut = true;
      break;
    }
    position += 1;
    const parsed = parseLine(raw.bytes);
    if (typeof parsed === "string") throw corrupt(path, position, parsed);
    if (parsed.number !== lastNumber + 1) {
      throw corrupt(path, position, `line ${lastNumber + 1} is missing: ${parsed.number} follows`);
    }
    lastNumber = parsed.number;
    goodBytes = raw.offset + raw.bytes.length + 1;
  }
  if (!isCut) return { lastNumber, repaired: "", segment };
  const cutBytes = statSync(path).size - goodBytes;
  truncateSync(path, goodBytes);
  return {
    lastNumber,
    repaired: `${path}: ${cutBytes} bytes of a line cut short removed after line ${position}`,
    segment,
  };
}
