import { UsageEventFilter } from "../../engine/provider/hide-usage.ts";
import type { FormatName } from "../../engine/provider/format.ts";
import { openResponseReader } from "../../engine/provider/response.ts";
import type { UsageReading } from "../../engine/provider/usage.ts";

/** How the body of a response came to its end. */
export type BodyEnd = "end" | "cancelled" | "broken";

/**
 * The body, passed through as it is read and never ahead of it, while its usage is read beside it.
 * `over` is told once, when nothing more will come.
 */
export function watchBody(
  body: ReadableStream<Uint8Array>,
  options: {
    readonly format: FormatName;
    readonly contentType: string;
    readonly hidesUsage: boolean;
    readonly isAborted: () => boolean;
    readonly over: (end: BodyEnd, reading: UsageReading) => void;
  },
): ReadableStream<Uint8Array> {
  const { contentType, format, hidesUsage, isAborted } = options;
  const source = body.getReader();
  const usage = openResponseReader(format, contentType);
  const filter = hidesUsage ? new UsageEventFilter() : null;
  let isOver = false;
  const over = (end: BodyEnd): void => {
    if (isOver) return;
    isOver = true;
    options.over(end, usage.end());
  };
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          for (;;) {
            const { done, value } = await source.read();
            if (done) {
              const rest = filter?.end();
              if (rest !== undefined && rest.length > 0) controller.enqueue(rest);
              over("end");
              controller.close();
              return;
            }
            usage.push(value);
            const passed = filter === null ? value : filter.push(value);
            if (passed.length === 0) continue;
            controller.enqueue(passed);
            return;
          }
        } catch (thrown) {
          over(isAborted() ? "cancelled" : "broken");
          controller.error(thrown);
        }
      },
      async cancel(reason) {
        over("cancelled");
        await source.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}
