import { resolve } from "node:path";
import { BUCKETS } from "../../../engine/ledger/query.ts";
import { ENTRY_TABLE } from "../../export/entries.ts";
import { FOCUS_FIELDS, focusRows, priceKey } from "../../export/focus-rows.ts";
import { focusTable } from "../../export/focus-table.ts";
import { lineSink, openFileSink } from "../../export/sinks.ts";
import {
  type Column,
  EXPORT_FORMS,
  type ExportForm,
  formOf,
  type RowSink,
} from "../../export/table.ts";
import type { LedgerClient } from "../../grpc/ledger-client.ts";
import { asReader } from "../at-service.ts";
import { type Invocation, UsageError } from "../command.ts";
import { filterOf } from "../ledger-filter.ts";

const PAGE = 1_000;
const SPAN_MS = { day: 86_400_000, hour: 3_600_000 };

/** Writes the ledger to a file: its entries, or its charges in the form of FOCUS 1.2. */
export async function run(invocation: Invocation): Promise<number> {
  const { flags, json, positionals, terminal } = invocation;
  const target = positionals["FILE"] ?? "";
  const form = wantedForm(target, flags["as"]);
  const write = flags["focus"] === undefined ? writeEntries : writeFocus;
  const rows = await asReader(invocation, (client) => {
    const open = <Row>(columns: readonly Column<Row>[]): RowSink<Row> => {
      if (target !== "-") return openFileSink(resolve(terminal.cwd, target), form, columns);
      if (form !== "parquet") return lineSink((line) => terminal.print(line), form, columns);
      throw new UsageError("Parquet goes to a file, not to standard output");
    };
    return write(client, flags, open);
  });
  if (target === "-") return 0;
  const text = `${rows} ${rows === 1 ? "row" : "rows"} written to ${target}`;
  terminal.print(json ? JSON.stringify({ file: target, form, rows }) : text);
  return 0;
}

type Open = <Row>(columns: readonly Column<Row>[]) => RowSink<Row>;
type Flags = Invocation["flags"];

async function writeEntries(client: LedgerClient, flags: Flags, open: Open): Promise<number> {
  for (const name of ["each", "numbers"]) {
    if (flags[name] !== undefined) throw new UsageError(`--${name} goes with --focus only`);
  }
  const filter = filterOf(flags, Date.now());
  return into(open(ENTRY_TABLE), async (write) => {
    for (let pageToken = "", first = true; first || pageToken !== ""; first = false) {
      const page = await client.listEntries({
        filter,
        oldestFirst: true,
        pageSize: PAGE,
        pageToken,
      });
      await write(page.entries);
      pageToken = page.nextPageToken;
    }
  });
}

async function writeFocus(client: LedgerClient, flags: Flags, open: Open): Promise<number> {
  const each = oneOf("each", flags["each"] ?? "hour", ["hour", "day"]);
  const numbers = oneOf("numbers", flags["numbers"] ?? "exact", ["exact", "float64"]);
  const { groups } = await client.summarize({
    bucket: BUCKETS.indexOf(each),
    filter: filterOf(flags, Date.now()),
    groupBy: [...FOCUS_FIELDS],
  });
  const prices = await client.listPriceRows();
  const known = new Map(prices.map((row) => [priceKey(row.book, row.id), row]));
  return into(open(focusTable(numbers)), async (write) => {
    for (const group of groups) await write(focusRows(group, SPAN_MS[each], known));
  });
}

/** Writes rows, and leaves no half of a file. */
async function into<Row>(
  sink: RowSink<Row>,
  produce: (write: (rows: readonly Row[]) => Promise<void>) => Promise<void>,
): Promise<number> {
  let count = 0;
  try {
    await produce(async (rows) => {
      await sink.write(rows);
      count += rows.length;
    });
  } catch (thrown) {
    await sink.abandon();
    throw thrown;
  }
  await sink.close();
  return count;
}

function wantedForm(target: string, as: string | undefined): ExportForm {
  if (as !== undefined) return oneOf("as", as, EXPORT_FORMS);
  const form = target === "-" ? "ndjson" : formOf(target);
  if (form !== null) return form;
  throw new UsageError(
    `the name ${target} ends in none of ${EXPORT_FORMS.map((one) => `.${one}`).join(", ")}; say the form with --as`,
  );
}

function oneOf<Word extends string>(flag: string, given: string, accepted: readonly Word[]): Word {
  const word = accepted.find((one) => one === given);
  if (word !== undefined) return word;
  throw new UsageError(`--${flag} ${given} is not accepted; accepted are ${accepted.join(", ")}`);
}
