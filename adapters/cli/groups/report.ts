import type { Command, Flag } from "../command.ts";

const DECISION = { name: "ID", doc: "id of the decision, as decide shows it" };

const tokens = (name: string, doc: string): Flag => ({ name, placeholder: "N", doc });

const USAGE_FLAGS: readonly Flag[] = [
  tokens("input", "input tokens, cache reads and writes included"),
  tokens("output", "output tokens, reasoning included"),
  tokens("cache-read", "part of the input read from the cache"),
  tokens("cache-write-5m", "part of the input written to the cache for five minutes"),
  tokens("cache-write-1h", "part of the input written to the cache for an hour"),
  tokens("reasoning", "part of the output spent on reasoning"),
  {
    name: "raw",
    placeholder: "FILE",
    doc: "the provider's answer or its usage as JSON, or - for standard input, instead of figures",
  },
  {
    name: "format",
    placeholder: "F",
    doc: "form of --raw, as in openai.chat or anthropic.messages",
  },
];

/** What callers do after a decision. */
export function reportCommands(server: readonly Flag[]): readonly Command[] {
  return [
    {
      name: "report",
      summary: "report what a decided call used, and settle it",
      positionals: [DECISION],
      flags: [
        ...USAGE_FLAGS,
        {
          name: "outcome",
          placeholder: "WORD",
          doc: "ok, error, cancelled, truncated or filtered; default: what --raw tells, else ok",
        },
        { name: "model", placeholder: "M", doc: "model that served the call, if another" },
        { name: "service-tier", placeholder: "T", doc: "tier that served the call, if another" },
        { name: "estimated", doc: "the figures are an estimate, not the provider's" },
        { name: "partial", doc: "more will come; the reservation stays open" },
        { name: "sequence", placeholder: "N", doc: "number of the report, counted from 1" },
        ...server,
      ],
      settings: true,
      load: () => import("../commands/report.ts"),
    },
    {
      name: "cancel",
      summary: "release the reservation of a call that was not made",
      positionals: [DECISION],
      flags: server,
      settings: true,
      load: () => import("../commands/cancel.ts"),
    },
  ];
}
