import type { weir } from "../../../proto/gen/weir.js";
import { type Invocation, UsageError } from "../command.ts";
import { filterOf } from "../ledger-filter.ts";
import { entryJson } from "../ledger-json.ts";
import { asReader } from "../at-service.ts";
import { renderEntries } from "../render-ledger.ts";
import { styleOf } from "../style.ts";

const PAGE = 1_000;

/** Lists entries of the ledger, the latest first. */
export async function run(invocation: Invocation): Promise<number> {
  const { flags, json, terminal } = invocation;
  const limit = countOf(flags["limit"] ?? "50");
  const { entries, more } = await asReader(invocation, async (client) => {
    const found: weir.v1.LedgerEntry[] = [];
    let pageToken = flags["page"] ?? "";
    do {
      const page = await client.listEntries({
        filter: filterOf(flags, Date.now()),
        oldestFirst: flags["oldest"] !== undefined,
        pageSize: Math.min(PAGE, limit - found.length),
        pageToken,
        run: flags["run"] ?? "",
      });
      found.push(...page.entries);
      pageToken = page.nextPageToken;
    } while (pageToken !== "" && found.length < limit);
    return { entries: found, more: pageToken };
  });
  if (json) {
    terminal.print(JSON.stringify({ entries: entries.map(entryJson), next_page: more }));
    return 0;
  }
  terminal.print(
    entries.length === 0 ? "no entries" : renderEntries(entries, styleOf(terminal.color)),
  );
  if (more !== "") terminal.note(`and more; the next page: --page ${more}`);
  return 0;
}

function countOf(text: string): number {
  const count = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= 100_000) return count;
  throw new UsageError(`--limit ${text} is not a whole number from 1 to 100000`);
}
