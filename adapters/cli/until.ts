import { UsageError } from "./command.ts";

const DURATION = /^(\d{1,6})(m|min|h|d|w)$/;
const MS = { m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };
const TIME = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2}))?$/;

/** "90m", "2h", "3d", "1w" from now, or a time with its zone; a day alone begins in UTC. Epoch ms. */
export function parseUntil(text: string, nowMs: number): number {
  const [, count, unit] = DURATION.exec(text) ?? [];
  if (count !== undefined) return nowMs + Number(count) * MS[unit as keyof typeof MS];
  const atMs = TIME.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isFinite(atMs)) return atMs;
  throw new UsageError(
    `--until ${text} is neither a duration nor a time; accepted are 90m, 2h, 3d, 1w, 2026-12-01, 2026-12-01T18:00Z and 2026-12-01T18:00+01:00`,
  );
}
