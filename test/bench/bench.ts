import { join } from "node:path";
import { parseArgs } from "node:util";

import { AUDIT_VERIFY } from "./audit.ts";
import { ENVOY } from "./envoy.ts";
import { BUNDLE_SWAP } from "./bundle-swap.ts";
import { EVALUATIONS } from "./evaluate.ts";
import { FLEET } from "./fleet.ts";
import { GRPC } from "./grpc.ts";
import { DECIDE_IN_PROCESS, LOG_APPEND } from "./in-process.ts";
import { SUMMARY_EMBEDDED, SUMMARY_POSTGRES } from "./ledger.ts";
import { MEMORY_MILLION } from "./memory.ts";
import { REDIS_RESERVE_SETTLE, REDIS_SCRIPT } from "./redis.ts";
import type { Bench, Measured } from "./row.ts";
import { SDK } from "./sdk.ts";
import {
  cellsOf,
  describeMachine,
  ratioLine,
  TEXT_HEAD,
  textLine,
  writeDocument,
} from "./table.ts";

const BENCHES: readonly Bench[] = [
  ...EVALUATIONS,
  LOG_APPEND,
  AUDIT_VERIFY,
  DECIDE_IN_PROCESS,
  ...GRPC,
  ...ENVOY,
  BUNDLE_SWAP,
  REDIS_SCRIPT,
  REDIS_RESERVE_SETTLE,
  ...FLEET,
  ...SDK,
  SUMMARY_POSTGRES,
  SUMMARY_EMBEDDED,
  MEMORY_MILLION,
];
const DOCUMENT = join(import.meta.dirname, "../../docs/bench.md");
const HELP = `Usage: npm run bench -- [--only NAME]... [--quick] [--json]

Measures Weir and writes the table into docs/bench.md. With any of the flags the document stays as it is.

  --only NAME  measure this row alone; may be given several times
  --quick      a fraction of the runs: shows that it works, not how fast
  --json       print one JSON object and nothing else

Rows:
${BENCHES.map(({ name, what }) => `  ${name.padEnd(20)} ${what}`).join("\n")}
`;

class UsageError extends Error {}

interface Asked {
  readonly benches: readonly Bench[];
  readonly help: boolean;
  readonly json: boolean;
  readonly quick: boolean;
}

function readArguments(argv: readonly string[]): Asked {
  const { values } = parse(argv);
  const only = values.only ?? [];
  const unknown = only.find((name) => BENCHES.every((bench) => bench.name !== name));
  if (unknown !== undefined) {
    const names = BENCHES.map(({ name }) => name).join(", ");
    throw new UsageError(`no row is named ${unknown}; there are ${names}`);
  }
  const benches = only.length === 0 ? BENCHES : BENCHES.filter(({ name }) => only.includes(name));
  return { benches, help: values.help, json: values.json, quick: values.quick };
}

function parse(argv: readonly string[]) {
  const flag = { default: false, type: "boolean" } as const;
  try {
    return parseArgs({
      args: [...argv],
      options: { help: flag, json: flag, only: { multiple: true, type: "string" }, quick: flag },
    });
  } catch (thrown) {
    throw new UsageError(thrown instanceof Error ? thrown.message : String(thrown));
  }
}

async function main(asked: Asked): Promise<void> {
  if (asked.help) {
    process.stdout.write(HELP);
    return;
  }
  const { benches, json, quick } = asked;
  const say = (text: string): void => {
    if (!json) process.stdout.write(`${text}\n`);
  };
  const machine = describeMachine();
  say(`${machine.cpu}, ${machine.cores} cores, Node ${machine.node}\n\n${TEXT_HEAD}`);
  const results: { bench: Bench; measured: Measured }[] = [];
  for (const bench of benches) {
    const measured = await bench.run({ quick });
    results.push({ bench, measured });
    say(textLine(cellsOf(bench, measured), measured.row.note));
  }
  const rows = results.map(({ measured }) => measured.row);
  if (json) {
    process.stdout.write(`${JSON.stringify({ machine, rows })}\n`);
    return;
  }
  const ratios = ratioLine(rows);
  if (ratios !== "") say(`\n${ratios}`);
  if (quick || benches.length < BENCHES.length) return;
  writeDocument(DOCUMENT, machine, results);
  say(`\nwritten to ${DOCUMENT}`);
}

try {
  await main(readArguments(process.argv.slice(2)));
} catch (thrown) {
  if (!(thrown instanceof UsageError)) throw thrown;
  process.stderr.write(`bench: ${thrown.message}\n`);
  process.exitCode = 2;
}
