import { createRequire } from "node:module";
import { readFile, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { findProvider } from "@pydantic/genai-prices";
import { WeirError } from "../../../engine/errors.ts";
import type { PriceBookData } from "../../../engine/policy/bundle-data.ts";
import { openPriceBook } from "../../../engine/pricing/price-book.ts";
import { fromGenaiPrices, type GenaiProvider } from "../../prices/genai-prices.ts";
import type { ImportedPrices, ImportOptions } from "../../prices/imported-rows.ts";
import { fromLitellm, type LitellmPrices } from "../../prices/litellm.ts";
import { type Invocation, UsageError } from "../command.ts";
import { listOf } from "../ledger-filter.ts";
import { harmless } from "../style.ts";

/** Providers of the list that ships whose calls Weir knows how to read. */
const SHIPPED = ["openai", "anthropic", "google", "mistral", "groq", "aws", "azure", "deepseek"];
const SHOWN = 20;

/** Makes a price book of a list of prices. What it cannot hold is named, and left out. */
export async function run({ flags, json, positionals, terminal }: Invocation): Promise<number> {
  const source = positionals["SOURCE"] ?? "";
  const today = new Date().toISOString().slice(0, 10);
  const options = { only: listOf(flags["only"]), since: dayOf(flags["since"] ?? today) };
  const { leftovers, rows } = await importFrom(source, terminal.cwd, options);
  if (rows.length === 0) throw new UsageError(`${source} holds no price of what is asked for`);
  const book: PriceBookData = { currency: "USD", rows, version: today };
  openPriceBook(book);
  const out = flags["out"] ?? "";
  await writeFile(resolve(terminal.cwd, out), `${JSON.stringify(book, null, 2)}\n`);
  const models = new Set(rows.map(({ model }) => model)).size;
  if (json) {
    terminal.print(JSON.stringify({ file: out, leftovers, models, rows: rows.length }));
    return 0;
  }
  terminal.print(`${rows.length} prices of ${models} models written to ${out}`);
  const left = leftovers.filter(({ taken }) => !taken);
  for (const { model, why } of left.slice(0, SHOWN)) {
    terminal.print(`  not taken: ${harmless(model)}: ${harmless(why)}`);
  }
  if (left.length > SHOWN)
    terminal.print(`  and ${left.length - SHOWN} more; --json lists them all`);
  const inPart = leftovers.length - left.length;
  if (inPart > 0) {
    terminal.print(`  ${inPart} in part: audio, images, searches have no place; --json lists them`);
  }
  return 0;
}

async function importFrom(
  source: string,
  cwd: string,
  options: ImportOptions,
): Promise<ImportedPrices> {
  if (source === "genai-prices") {
    const providers = SHIPPED.flatMap((providerId) => findProvider({ providerId }) ?? []);
    const name = `genai-prices ${versionOfPackage()}`;
    return fromGenaiPrices(providers as unknown as readonly GenaiProvider[], name, options);
  }
  const data = await readJson(source, cwd);
  if (isGenai(data)) return fromGenaiPrices(data, `genai-prices, ${source}`, options);
  if (isLitellm(data)) return fromLitellm(data, `LiteLLM, ${source}`, options);
  const accepted = "a list of providers of genai-prices, or LiteLLM's map of models";
  throw new WeirError("config.invalid", `${source} is neither of what is accepted: ${accepted}`);
}

async function readJson(source: string, cwd: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(resolve(cwd, source), "utf8");
  } catch (cause) {
    const reason = cause instanceof Error && "code" in cause ? String(cause.code) : "unreadable";
    const message = `cannot read ${source}: ${reason}; accepted is a file, or genai-prices`;
    throw new WeirError("config.invalid", message, { cause });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new WeirError("config.invalid", `${source} is not valid JSON`, { cause });
  }
}

function isGenai(data: unknown): data is readonly GenaiProvider[] {
  return (
    Array.isArray(data) &&
    data.length > 0 &&
    data.every(
      (one) => isObject(one) && typeof one["id"] === "string" && Array.isArray(one["models"]),
    )
  );
}

function isLitellm(data: unknown): data is LitellmPrices {
  return (
    isObject(data) &&
    Object.values(data).every(isObject) &&
    Object.values(data).some((one) => isObject(one) && "litellm_provider" in one)
  );
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function dayOf(text: string): string {
  const ms = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isFinite(ms) && new Date(ms).toISOString().startsWith(text)) return text;
  throw new UsageError(`--since ${text} is not a day of the form YYYY-MM-DD`);
}

function versionOfPackage(): string {
  const require = createRequire(import.meta.url);
  const entry = require.resolve("@pydantic/genai-prices");
  const { version } = require(resolve(entry, "../../package.json")) as { readonly version: string };
  return version;
}
