import { DIMENSIONS, LEDGER_KINDS } from "../../engine/ledger/ledger-entry.ts";
import { monthSpan } from "../../engine/ledger/month.ts";
import type { Encodable, weir } from "../../proto/gen/weir.js";
import { nearest } from "../nearest.ts";
import { type Flag, UsageError } from "./command.ts";

/** Flags that say which entries are meant. */
export const FILTER_FLAGS: readonly Flag[] = [
  { name: "tenant", placeholder: "T", doc: "one tenant; default: all that you may read" },
  { name: "month", placeholder: "YYYY-MM", doc: "what is counted in one month, UTC" },
  {
    name: "from",
    placeholder: "WHEN",
    doc: "from then on: 2026-11-01, 2026-11-01T09:00Z, or 7d for a week ago",
  },
  { name: "to", placeholder: "WHEN", doc: "before then; default: no end" },
  {
    name: "where",
    placeholder: "FIELD=VALUE,…",
    doc: "only these, as in team=search,layer=tools; a field that is given twice takes either value, and one without a value what names none",
  },
];

type Filter = Encodable<weir.v1.LedgerFilter>;

/** The filter that the flags ask for. */
export function filterOf(flags: Readonly<Record<string, string>>, nowMs: number): Filter {
  return {
    ...spanOf(flags, nowMs),
    kinds: listOf(flags["kind"]).map((kind) => kindOf(kind)),
    match: matchesOf(flags["where"]),
    tenant: flags["tenant"] ?? "",
  };
}

function spanOf(flags: Readonly<Record<string, string>>, nowMs: number) {
  const { from, month, to } = flags;
  if (month === undefined) {
    return {
      fromMs: from === undefined ? 0 : timeOf("from", from, nowMs),
      toMs: to === undefined ? 0 : timeOf("to", to, nowMs),
    };
  }
  const span = monthSpan(month);
  if (span === null) throw new UsageError(`--month ${month} is not of the form YYYY-MM`);
  if (from !== undefined || to !== undefined) {
    throw new UsageError("--month goes without --from and --to");
  }
  return span;
}

const AGO = /^(\d{1,5})(h|d|w)$/;
const AGO_MS = { d: 86_400_000, h: 3_600_000, w: 604_800_000 };
const TIME = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2}))?$/;

/** A time, or so long ago, then at the start of that hour. */
function timeOf(flag: string, text: string, nowMs: number): number {
  const [, count, unit] = AGO.exec(text) ?? [];
  if (count !== undefined) {
    const ago = nowMs - Number(count) * AGO_MS[unit as keyof typeof AGO_MS];
    return Math.max(0, Math.floor(ago / AGO_MS.h) * AGO_MS.h);
  }
  const atMs = TIME.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isFinite(atMs)) return atMs;
  throw new UsageError(
    `--${flag} ${text} is not a time; accepted are 2026-11-01, 2026-11-01T09:00Z, and 12h, 7d, 4w for so long ago`,
  );
}

function matchesOf(where: string | undefined) {
  const matches = new Map<string, string[]>();
  for (const one of listOf(where)) {
    const equals = one.indexOf("=");
    if (equals < 0) throw new UsageError(`--where ${one} is not of the form FIELD=VALUE`);
    const field = fieldOf("where", one.slice(0, equals));
    matches.set(field, [...(matches.get(field) ?? []), one.slice(equals + 1)]);
  }
  return [...matches].map(([field, values]) => ({ field, values }));
}

/** A field that entries can be filtered and grouped by. */
export function fieldOf(flag: string, name: string): string {
  if ((DIMENSIONS as readonly string[]).includes(name)) return name;
  const near = nearest(name, DIMENSIONS);
  throw new UsageError(
    `--${flag} ${name} is no field; the nearest one is ${near}, all are ${DIMENSIONS.join(", ")}`,
  );
}

function kindOf(name: string): number {
  const index = (LEDGER_KINDS as readonly string[]).indexOf(name);
  if (index >= 0) return index + 1;
  throw new UsageError(`--kind ${name} is not accepted; accepted are ${LEDGER_KINDS.join(", ")}`);
}

/** The words of a flag, separated by commas. */
export function listOf(text: string | undefined): readonly string[] {
  return text === undefined || text === "" ? [] : text.split(",").map((word) => word.trim());
}
