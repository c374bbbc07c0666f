import type { weir } from "../../../proto/gen/weir.js";
import type { Invocation } from "../command.ts";
import { sumsJson } from "../ledger-json.ts";
import { asReader } from "../at-service.ts";
import { formatPico, grouped, timeText, tokensOf } from "../render-ledger.ts";
import { formatWait, harmless, type Style, styleOf } from "../style.ts";
import { renderTable } from "../table.ts";

/** Shows what a run cost in all, by layer. */
export async function run(invocation: Invocation): Promise<number> {
  const { flags, json, positionals, terminal } = invocation;
  const request = { run: positionals["RUN"] ?? "", tenant: flags["tenant"] ?? "" };
  const answer = await asReader(invocation, (client) => client.getRun(request));
  terminal.print(
    json ? JSON.stringify(runJson(answer)) : renderRun(answer, styleOf(terminal.color)),
  );
  return 0;
}

function renderRun(answer: weir.v1.GetRunResponse, style: Style): string {
  const total = answer.total?.costPicoUsd ?? "0";
  const tookMs = Number(answer.lastMs) - Number(answer.firstMs);
  const columns = [
    { title: "LAYER" },
    { title: "COST", right: true },
    { title: "CALLS", right: true },
    { title: "TOKENS", right: true },
  ];
  const rows = answer.layers.map(({ layer, sums }) => [
    layer === "" ? "(none)" : layer,
    formatPico(sums?.costPicoUsd ?? "0"),
    grouped(sums?.calls ?? 0),
    grouped(tokensOf(sums?.tokens ?? null)),
  ]);
  const ratio = amplification(answer);
  return [
    `${style.bold(harmless(answer.run))} of tenant ${harmless(answer.tenant)}`,
    `  ${style.faint("cost")}   ${formatPico(total)} for ${grouped(answer.decisions)} decisions from ${timeText(Number(answer.firstMs))} on, within ${formatWait(tookMs)}`,
    `  ${style.faint("first")}  ${formatPico(answer.firstInferencePicoUsd)} for its first inference${ratio === null ? "" : `: the run cost ${ratio} times that`}`,
    "",
    renderTable(columns, rows, style),
  ].join("\n");
}

/** The whole cost divided by the first inference's, to two places; null without one. */
function amplification(answer: weir.v1.GetRunResponse): string | null {
  const first = BigInt(answer.firstInferencePicoUsd);
  if (first <= 0n) return null;
  const hundredths = (BigInt(answer.total?.costPicoUsd ?? "0") * 100n) / first;
  return `${hundredths / 100n}.${String(hundredths % 100n).padStart(2, "0")}`;
}

function runJson(answer: weir.v1.GetRunResponse) {
  return {
    run: answer.run,
    tenant: answer.tenant,
    decisions: Number(answer.decisions),
    first_ms: Number(answer.firstMs),
    last_ms: Number(answer.lastMs),
    total: sumsJson(answer.total),
    layers: answer.layers.map(({ layer, sums }) => ({ layer, ...sumsJson(sums) })),
    first_inference_pico_usd: answer.firstInferencePicoUsd,
    amplification: amplification(answer),
  };
}
