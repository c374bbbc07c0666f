import type { Command } from "../command.ts";

/** What is done with price books, before they are in a bundle. */
export const PRICE_COMMANDS: readonly Command[] = [
  {
    name: "prices import",
    summary: "make a price book of somebody's list of prices, exact, and say what it cannot hold",
    positionals: [
      {
        name: "SOURCE",
        doc: "genai-prices (the list that ships), or a file: its data.json, or LiteLLM's",
      },
    ],
    flags: [
      {
        name: "out",
        placeholder: "FILE",
        mandatory: true,
        doc: "where it is written, as policies/config/prices/data.json",
      },
      {
        name: "only",
        placeholder: "NAME,…",
        doc: "providers, as in openai, or models, as in openai:gpt-5; default: all",
      },
      {
        name: "since",
        placeholder: "YYYY-MM-DD",
        doc: "first day of prices that say no date themselves; default: today",
      },
    ],
    settings: false,
    load: () => import("../commands/prices-import.ts"),
  },
];
