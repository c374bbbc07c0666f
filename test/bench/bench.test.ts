import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const run = (...flags: string[]) =>
  promisify(execFile)(process.execPath, [join(import.meta.dirname, "bench.ts"), ...flags]);

it("prints one JSON object with the rows asked for", async () => {
  const { stdout } = await run("--json", "--quick", "--only", "evaluate_allow");
  const { machine, rows } = JSON.parse(stdout);
  expect(machine).toMatchObject({
    cores: expect.any(Number),
    cpu: expect.any(String),
    node: process.version,
  });
  expect(rows).toEqual([
    {
      name: "evaluate_allow",
      note: expect.any(String),
      p50_us: expect.any(Number),
      p99_us: expect.any(Number),
      per_second: expect.any(Number),
    },
  ]);
  expect(rows[0].p50_us).toBeGreaterThan(0);
});

it("names the rows there are when asked for one there is not", async () => {
  await expect(run("--only", "evaluate_alow")).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringMatching(
      /^bench: no row is named evaluate_alow; there are evaluate_allow, .*memory_million\n$/,
    ),
  });
});
