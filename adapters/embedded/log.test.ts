import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, test } from "vitest";

import type { LogLine } from "../../engine/record/record.ts";
import { type LogOptions, SegmentedLog } from "./log.ts";
import { LineBuffer, listSegments, parseLine, readLog } from "./segments.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "weir-log-"));
});
afterEach(() => rmSync(folder, { force: true, recursive: true }));

function open(change: Partial<LogOptions> = {}): SegmentedLog {
  return new SegmentedLog({
    folder,
    segmentBytes: 1 << 20,
    sync: "os",
    syncIntervalMs: 1_000,
    ...change,
  });
}

const line = (at: number): LogLine => ({
  at_ms: at,
  code: "x",
  fields: [],
  kind: "rejected",
  principal: "p",
  v: 1,
});
const numbers = (): number[] => [...readLog(folder)].map(({ number }) => number);

describe("the log", () => {
  test("keeps the order of calls, whoever waits for what", async () => {
    const log = open();
    const done: number[] = [];
    await Promise.all(
      Array.from({ length: 500 }, async (_, index) => {
        if (index % 7 === 0) await Promise.resolve();
        await log.append(line(index));
        done.push(index);
      }),
    );
    await log.close();
    const read = [...readLog(folder)].map(({ line: { at_ms: at } }) => at);
    expect(read).toHaveLength(500);
    expect(done).toEqual(read);
  });

  test("an append resolves only once its line can be read from the file", async () => {
    const log = open();
    for (let count = 1; count <= 20; count += 1) {
      const appended = log.append(line(count));
      expect(numbers()).toHaveLength(count - 1);
      await appended;
      expect(numbers()).toHaveLength(count);
    }
    await log.close();
  });

  test("goes on where it ended, in the same segment", async () => {
    for (let count = 1; count <= 3; count += 1) {
      const log = open();
      expect(log.repaired).toBe("");
      await log.append(line(count));
      await log.close();
    }
    expect(numbers()).toEqual([1, 2, 3]);
    expect(listSegments(folder)).toHaveLength(1);
  });

  test.each(["os", "interval", "always"] as const)(
    "begins segments named by their first line (sync %s)",
    async (sync) => {
      const log = open({ segmentBytes: 300, sync, syncIntervalMs: 1 });
      for (let count = 0; count < 40; count += 1) await log.append(line(count));
      await Promise.all(Array.from({ length: 40 }, (_, index) => log.append(line(index))));
      await log.close();
      expect(numbers()).toEqual(Array.from({ length: 80 }, (_, index) => index + 1));
      const segments = listSegments(folder);
      expect(segments.length).toBeGreaterThan(5);
      const again = open();
      await again.append(line(0));
      await again.close();
      expect(numbers().at(-1)).toBe(81);
    },
  );

  test("an append under way while the segment changes is answered, with every line on the disk", async () => {
    const log = open({ segmentBytes: 1, sync: "always" });
    const work: Promise<void>[] = [];
    for (let count = 0; count < 60; count += 1) {
      work.push(log.append(line(count)));
      await new Promise((resolve) => setImmediate(resolve));
    }
    const answers = await Promise.allSettled(work);
    await log.close();
    expect(answers.filter(({ status }) => status === "rejected")).toEqual([]);
    expect(numbers()).toHaveLength(60);
  });

  test("what waits when it is closed is written; after that nothing is taken", async () => {
    const log = open();
    const answers = [1, 2, 3].map((at) => log.append(line(at)));
    await log.close();
    await Promise.all(answers);
    await log.close();
    expect(numbers()).toEqual([1, 2, 3]);
    await expect(log.append(line(4))).rejects.toMatchObject({ code: "log.unavailable" });
    expect(numbers()).toEqual([1, 2, 3]);
  });

  test("a disk that does not take a batch fails it whole, and its numbers are used again", async () => {
    const log = open();
    await log.append(line(1));
    const handle = fileHandleOf(folder);
    closeSync(handle);
    const failed = await Promise.allSettled([log.append(line(2)), log.append(line(3))]);
    for (const answer of failed)
      expect(answer).toMatchObject({ reason: { code: "log.unavailable" } });
    const [segment] = listSegments(folder);
    // The same descriptor again, as if the disk were back.
    expect(openSync(join(folder, segment as string), "a")).toBe(handle);
    await log.append(line(4));
    await log.close();
    expect([...readLog(folder)].map(({ line: { at_ms: at }, number }) => [number, at])).toEqual([
      [1, 1],
      [2, 4],
    ]);
  });

  test("a folder holds other files too, which are let alone", async () => {
    writeFileSync(join(folder, "notes.txt"), "x");
    writeFileSync(join(folder, "1.log"), "x");
    const log = open();
    await log.append(line(1));
    await log.close();
    expect(numbers()).toEqual([1]);
    expect(readdirSync(folder)).toContain("notes.txt");
  });
});

describe("a line", () => {
  test("is read back as it was written, newline-like characters and all", () => {
    const json = JSON.stringify({ ...line(1), principal: "a\u2028\u2029\n\r\u00e9\u{1f600}" });
    const text = formatLine(12, json);
    expect(text.split("\n")).toHaveLength(2);
    expect(parseLine(Buffer.from(text.slice(0, -1)))).toEqual({
      line: JSON.parse(json),
      number: 12,
    });
  });

  test("with any one bit flipped is not read", () => {
    const bytes = Buffer.from(formatLine(12, JSON.stringify(line(1))).slice(0, -1));
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const damaged = Buffer.from(bytes);
      damaged[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(typeof parseLine(damaged), `bit ${bit}`).toBe("string");
    }
  });

  test("of a newer version is refused, not guessed at", () => {
    const text = formatLine(1, JSON.stringify({ ...line(1), v: 2 })).slice(0, -1);
    expect(parseLine(Buffer.from(text))).toContain("version 2 is unknown");
  });
});

/** One line as the log writes it. */
function formatLine(number: number, json: string): string {
  const lines = new LineBuffer();
  lines.add(number, json);
  return lines.take().toString();
}

/** The descriptor that the log has open. */
function fileHandleOf(of: string): number {
  for (const name of readdirSync("/proc/self/fd")) {
    try {
      if (readlinkSync(`/proc/self/fd/${name}`).startsWith(of)) return Number(name);
    } catch {
      // A descriptor that closed meanwhile.
    }
  }
  return expect.unreachable("the log has no file open");
}
