import { once } from "node:events";

import { WeirError } from "../../engine/errors.ts";
import { intentOf, LOCAL, openTestEngine } from "./engine.ts";

/**
 * Run as a process whose files may not grow beyond a limit: decides until the log is refused, waits
 * to be told that there is room again, and goes on. Prints what it was answered.
 */
const [folder = ""] = process.argv.slice(2);
// A write beyond the limit then fails, as on a full disk, instead of ending the process.
process.on("SIGXFSZ", () => undefined);
const engine = await openTestEngine({ checkpointRecords: 20, folder });

async function decide(count: number): Promise<string> {
  try {
    const { effect, id } = await engine.weir.decide(intentOf(`call-${count}`), LOCAL);
    process.stdout.write(`decided ${id} ${effect}\n`);
    return "";
  } catch (thrown) {
    return WeirError.from(thrown).code;
  }
}

let count = 0;
let failure = "";
for (; failure === "" && count < 1_000; count += 1) failure = await decide(count);
process.stdout.write(`failed ${failure}\n`);
// Several at once fail as one batch.
const batch = await Promise.all([1, 2, 3, 4].map((more) => decide(count + more)));
process.stdout.write(`failed ${batch.join(",")}\n`);
process.stdout.write(`open ${await engine.openReservations()}\n`);
process.stdout.write("full\n");
await once(process.stdin, "data");
count += 10;
for (let more = 0; more < 20; more += 1) await decide(count + more);
await engine.weir.sweep();
await engine.finish();
process.stdout.write("done\n");
process.exit(0);
