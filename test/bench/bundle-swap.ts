import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";

import { variant, writeFolder } from "../../adapters/bundles/testing/variant.ts";
import { connectAdmin } from "../../adapters/grpc/admin-client.ts";
import { connect } from "../../adapters/grpc/client.ts";
import { roomyData } from "./calls.ts";
import { Child } from "./child.ts";
import { type Bench, type BenchOptions, type Measured, rowOf } from "./row.ts";
import { SteadyLoad } from "./steady-load.ts";

/** Decisions at a steady rate while the bundle is exchanged again and again. */
export const BUNDLE_SWAP: Bench = {
  name: "bundle_swap",
  run: measure,
  target: "",
  what: "Decide at a steady rate, while another bundle is tried and swapped in",
};

const CALLS_PER_SECOND = 200;
const SECONDS = { full: 8, quick: 1 };
const SWAPS = { full: 8, quick: 1 };

async function measure({ quick }: BenchOptions): Promise<Measured> {
  const scale = quick ? "quick" : "full";
  const folder = mkdtempSync(join(tmpdir(), "weir-bench-"));
  const bundles = ["a", "b"].map((name) =>
    writeFolder(join(folder, name), variant(name, roomyData)),
  );
  const server = new Child("server.ts", ["bundle", folder, bundles[0] ?? ""]);
  try {
    const address = `127.0.0.1:${await server.ask<number>()}`;
    const [admin, client] = [connectAdmin({ address }), connect({ address })];
    const load = new SteadyLoad(client, CALLS_PER_SECOND);
    await load.during(sleep(SECONDS[scale] * 500));
    const before = await load.during(sleep(SECONDS[scale] * 1_000));
    let [swaps, swapMs] = [0, 0];
    const swapping = async (): Promise<void> => {
      const beginMs = performance.now();
      for (; swaps < SWAPS[scale]; swaps += 1) {
        const source = bundles[(swaps + 1) % 2] ?? "";
        await admin.activateBundle({ reason: "bench", source });
      }
      swapMs = (performance.now() - beginMs) / swaps;
    };
    const during = await load.during(swapping());
    admin.close();
    client.close();
    const undisturbed = rowOf("", before.latencies, before.totalMs, "");
    const row = rowOf(BUNDLE_SWAP.name, during.latencies, during.totalMs, "");
    const times = (one: number, other: number) => (one / other).toFixed(2);
    const note =
      `${swaps} swaps of ${Math.round(swapMs)} ms each, trial included, at ${CALLS_PER_SECOND} calls/s; none failed; ` +
      `p50 ${times(row.p50_us, undisturbed.p50_us)} and p99 ${times(row.p99_us, undisturbed.p99_us)} times that without`;
    return { met: null, row: { ...row, note } };
  } finally {
    await server.close();
    rmSync(folder, { force: true, recursive: true });
  }
}
