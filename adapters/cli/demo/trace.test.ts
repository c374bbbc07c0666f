import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { SHIPPED_TRACE } from "./host.ts";
import { readTrace } from "./trace.ts";

const folder = mkdtempSync(join(tmpdir(), "weir-trace-"));
afterAll(() => rmSync(folder, { force: true, recursive: true }));

const HEADER = "TIMESTAMP,ContextTokens,GeneratedTokens";
const FIRST = "2023-11-16 18:15:46.6805900,374,44";

function write(...lines: readonly string[]): string {
  const path = join(folder, "trace.csv");
  writeFileSync(path, lines.join("\n"));
  return path;
}

describe("the trace reader", () => {
  it("reads the trace that ships, as far as it is asked to", async () => {
    const calls = await readTrace(SHIPPED_TRACE, 3);
    expect(calls).toEqual([
      { offsetMs: 0, inputTokens: 374, outputTokens: 44 },
      { offsetMs: 4_315, inputTokens: 396, outputTokens: 109 },
      { offsetMs: 4_542, inputTokens: 879, outputTokens: 55 },
    ]);
    expect(await readTrace(SHIPPED_TRACE, 5_000)).toHaveLength(2_000);
  });

  it("takes a byte order mark, carriage returns, a zone, whole seconds and an empty last line", async () => {
    const path = write(`\u{feff}${HEADER}\r`, `${FIRST}\r`, "2023-11-16 18:15:47+00:00,1,0\r", "");
    expect(await readTrace(path, 10)).toEqual([
      { offsetMs: 0, inputTokens: 374, outputTokens: 44 },
      { offsetMs: 320, inputTokens: 1, outputTokens: 0 },
    ]);
  });

  it("reads a JSON object a line, as the Mooncake traces have them", async () => {
    const path = write(
      '{"timestamp": 27000, "input_length": 6758, "output_length": 500, "hash_ids": [0, 1]}',
      '{"timestamp": 30000, "input_length": 1, "output_length": 0}',
      "",
    );
    expect(await readTrace(path, 10)).toEqual([
      { offsetMs: 0, inputTokens: 6_758, outputTokens: 500 },
      { offsetMs: 3_000, inputTokens: 1, outputTokens: 0 },
    ]);
  });

  it.each([
    [
      ["time,in,out", FIRST],
      `line 1: the header is "time,in,out"; accepted is ${HEADER}, or a JSON object on every line`,
    ],
    [
      [HEADER, FIRST, "2023-11-16 18:15:47,1"],
      'line 3: 2 fields in "2023-11-16 18:15:47,1"; accepted are 3',
    ],
    [[HEADER, "yesterday,1,2"], 'line 2: TIMESTAMP "yesterday" is not a UTC time'],
    [
      [HEADER, "2023-13-45 18:15:47,1,2"],
      'line 2: TIMESTAMP "2023-13-45 18:15:47" is not a UTC time',
    ],
    [
      [HEADER, "2023-02-31 18:15:47,1,2"],
      'line 2: TIMESTAMP "2023-02-31 18:15:47" is not a UTC time',
    ],
    [
      [HEADER, "2023-11-16 18:15:47,-1,2"],
      'line 2: ContextTokens "-1" is not a whole number from 0 to 100000000',
    ],
    [[HEADER, "2023-11-16 18:15:47,1,1e3"], 'line 2: GeneratedTokens "1e3" is not a whole number'],
    [
      [HEADER, "2023-11-16 18:15:47,1,100000001"],
      'line 2: GeneratedTokens "100000001" is not a whole number',
    ],
    [
      [HEADER, FIRST, "2023-11-16 18:15:46,1,2"],
      "line 3: the time is before that of the line above",
    ],
    [
      ['{"timestamp":0,"input_length":1,"output_length":2}', FIRST],
      'line 2: "2023-11-16 18:15:46.6805900,374,44" is not a JSON object',
    ],
    [
      ['{"timestamp":0,"input_length":-1,"output_length":2}'],
      'line 1: input_length "-1" is not a whole number from 0 to 100000000',
    ],
    [['{"timestamp":0,"input_length":1}'], 'line 1: output_length "" is not a whole number'],
    [
      [
        '{"timestamp":5,"input_length":1,"output_length":2}',
        '{"timestamp":4,"input_length":1,"output_length":2}',
      ],
      "line 2: the time is before that of the line above",
    ],
    [[HEADER], "holds no calls"],
    [[""], 'line 1: the header is ""'],
  ])("names the line of %j and what is wrong with it", async (lines, message) => {
    const path = write(...lines, "");
    const refused = readTrace(path, 10);
    await expect(refused).rejects.toMatchObject({ code: "config.invalid" });
    await expect(refused).rejects.toThrow(message);
    await expect(refused).rejects.toThrow(path);
  });

  it("says that there is no such file", async () => {
    await expect(readTrace(join(folder, "none.csv"), 1)).rejects.toThrow("there is no such file");
  });
});
