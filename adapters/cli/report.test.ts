import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadConfig } from "../config.ts";
import { type Service, startService } from "../serve.ts";
import { fakeTerminal } from "./fake-terminal.ts";
import { runWeir } from "./main.ts";

const ALLOW = join(import.meta.dirname, "../../examples/allow.json");

let cwd: string;
let service: Service;
beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), "weir-report-"));
  const flags = { "grpc-listen": "127.0.0.1:0", "http-listen": "127.0.0.1:0" };
  service = await startService(await loadConfig({ flags, env: {}, cwd }));
});
afterAll(async () => {
  await service.stop();
  rmSync(cwd, { recursive: true });
});

const weir = async (...argv: string[]) => {
  const terminal = fakeTerminal(cwd, { WEIR_SERVER: `127.0.0.1:${service.grpc.port}` });
  const exit = await runWeir(argv, terminal);
  return { exit, printed: terminal.printed.join("\n"), noted: terminal.noted.join("\n") };
};

let count = 0;
async function decided(): Promise<string> {
  const file = join(cwd, "intent.json");
  const { default: intent } = (await import(ALLOW, { with: { type: "json" } })) as {
    default: object;
  };
  writeFileSync(file, JSON.stringify({ ...intent, id: `i${(count += 1)}` }));
  const { printed } = await weir("decide", file, "--json");
  return (JSON.parse(printed) as { id: string }).id;
}

describe("report", () => {
  it("settles figures, and says again what it did", async () => {
    const id = await decided();
    const figures = ["--input", "1200", "--output", "340"];
    expect(await weir("report", id, ...figures)).toEqual({
      exit: 0,
      noted: "",
      printed: `SETTLED  $0.00098 charged for decision ${id}`,
    });
    expect(JSON.parse((await weir("report", id, ...figures, "--json")).printed)).toEqual({
      charged_nano_usd: "980000",
      cost_pico_usd: "980000000",
      decision_id: id,
      flags: [],
      status: "duplicate",
    });
  });

  it("reads what the provider answered, and counts what is new in it", async () => {
    const answer = {
      choices: [{ finish_reason: "length", index: 0, message: { content: "ok" } }],
      usage: { completion_tokens: 7, flux_tokens: 1, prompt_tokens: 11, total_tokens: 18 },
    };
    writeFileSync(join(cwd, "answer.json"), JSON.stringify(answer));
    const raw = ["--raw", "answer.json", "--format", "openai.chat"];
    const { printed } = await weir("report", await decided(), ...raw);
    expect(printed).toMatch(/^SETTLED {2}\$0\.000017 charged/);
    const metrics = await fetch(`http://127.0.0.1:${service.http.port}/metrics`);
    expect(await metrics.text()).toContain(
      'weir_usage_unknown_fields_total{field="openai.chat usage.flux_tokens"} 1',
    );
  });

  it.each([
    [[], "what was used? give --input and --output, or --raw FILE with --format F"],
    [["--raw", "x.json"], "--raw needs --format, as in --format openai.chat"],
    [["--raw", "x", "--format", "f", "--input", "1"], "--raw and --input exclude each other"],
    [["--input", "-1"], '--input: "-1" is not a whole number'],
    [["--input", "1", "--sequence", "0"], '--sequence: "0" is not a whole number from 1'],
    [
      ["--input", "1", "--outcome", "okay"],
      '--outcome: "okay" is not accepted; accepted are ok, error, cancelled, truncated, filtered; the nearest is ok',
    ],
  ])("refuses %j", async (flags, message) => {
    const { exit, noted } = await weir("report", "some-id", ...flags);
    expect(exit).toBe(2);
    expect(noted).toContain(message);
  });

  it("says what the service refuses", async () => {
    writeFileSync(join(cwd, "error.json"), '{"error":{"message":"no"}}');
    const raw = ["--raw", "error.json", "--format", "openai.chat"];
    expect((await weir("report", await decided(), ...raw)).noted).toContain(
      "raw_usage.json: holds no usage in the form of openai.chat",
    );
    expect((await weir("report", "some-id", "--input", "1")).noted).toContain(
      "no decision some-id",
    );
    expect((await weir("report", "i", "--raw", "gone", "--format", "f")).noted).toContain(
      "gone: there is no such file",
    );
  });
});

describe("cancel", () => {
  it("releases once", async () => {
    const id = await decided();
    expect((await weir("cancel", id)).printed).toBe(`RELEASED  what decision ${id} held`);
    expect(JSON.parse((await weir("cancel", id, "--json")).printed)).toEqual({
      decision_id: id,
      released: false,
    });
    expect((await weir("cancel", id)).printed).toBe(
      `NOTHING HELD  decision ${id} had ended before, without a report`,
    );
  });
});

describe("over HTTP", () => {
  const post = async (path: string, body: unknown) => {
    const response = await fetch(`http://127.0.0.1:${service.http.port}${path}`, {
      body: JSON.stringify(body),
      headers: { "content-type": "application/json" },
      method: "POST",
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };

  it("a report in the provider's form settles, its outcome read from it", async () => {
    const id = await decided();
    const usage = { input_tokens: 25, output_tokens: 15 };
    const json = { stop_reason: "end_turn", type: "message", usage };
    const report = {
      decision_id: id,
      final: true,
      raw_usage: { format: "anthropic.messages", json },
    };
    const { body, status } = await post("/v1/report", { report });
    expect({ body, status }).toEqual({
      body: {
        result: {
          charged_nano_usd: "36250",
          cost_pico_usd: "36250000",
          decision_id: id,
          flags: [],
          status: "settled",
        },
      },
      status: 200,
    });
  });

  it("figures settle, and a cancel releases", async () => {
    const usage = { input: 10, output: "5" };
    const report = { decisionId: await decided(), final: true, outcome: "OUTCOME_OK", usage };
    expect((await post("/v1/report", { report })).body).toMatchObject({
      result: { status: "settled" },
    });
    expect(await post("/v1/cancel", { decision_id: await decided() })).toEqual({
      body: { released: true },
      status: 200,
    });
  });

  it("refuses by name", async () => {
    const refused = async (path: string, body: unknown) => {
      const answer = await post(path, body);
      expect(answer.status).toBe(400);
      return (answer.body["errors"] as { field: string; description: string }[]).map(
        ({ description, field }) => `${field}: ${description}`,
      );
    };
    expect(await refused("/v1/report", [])).toEqual(["body: missing or not an object"]);
    expect(await refused("/v1/report", {})).toEqual(["report: missing or not an object"]);
    expect(await refused("/v1/report", { report: { usge: {} } })).toEqual([
      "report.usge: unknown field; the nearest valid one is usage",
    ]);
    expect(await refused("/v1/cancel", {})).toEqual([
      "decision_id: missing; 1 to 128 characters are accepted",
    ]);
    const report = {
      decision_id: "d",
      raw_usage: { format: "openai.chta", json: "{" },
      sequence: -1,
    };
    expect(await refused("/v1/report", { report })).toEqual([
      expect.stringMatching(
        /^raw_usage\.format: "openai\.chta" is not accepted; accepted are open/,
      ),
      'raw_usage.json: "{" is not JSON',
      "sequence: -1 is not a whole number from 0 to 1000000",
    ]);
    const both = { decision_id: "d", raw_usage: { format: "openai.chat", json: "{}" }, usage: {} };
    expect(await refused("/v1/report", { report: both })).toEqual([
      "raw_usage: given beside usage; one of the two is accepted",
    ]);
  });
});
