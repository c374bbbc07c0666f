import { WeirError } from "../../engine/errors.ts";
import type { Weir } from "../../engine/weir.ts";

/** Ends reservations past their deadline, again and again; sweeps never overlap. */
export function startSweeper(
  weir: Weir,
  intervalMs: number,
  onFault: (error: WeirError) => void,
): { stop(): Promise<void> } {
  let running: Promise<void> = Promise.resolve();
  let timer: NodeJS.Timeout;
  const sweep = async (): Promise<void> => {
    try {
      await weir.sweep();
    } catch (thrown) {
      onFault(WeirError.from(thrown));
    }
    timer = setTimeout(next, intervalMs);
  };
  const next = (): void => {
    running = sweep();
  };
  timer = setTimeout(next, intervalMs);
  return {
    async stop() {
      clearTimeout(timer);
      await running;
      // A sweep that was running has set the timer anew.
      clearTimeout(timer);
    },
  };
}
