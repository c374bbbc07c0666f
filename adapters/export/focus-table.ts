import { monthOf, monthSpan } from "../../engine/ledger/month.ts";
import type { FocusRow, Meter } from "./focus-rows.ts";
import type { Cell, Column } from "./table.ts";

/** Whether amounts are exact decimals, or doubles whose product is checked without any tolerance. */
export type FocusNumbers = "exact" | "float64";

interface MeterWords {
  readonly name: string;
  readonly consumedUnit: string;
  readonly pricingUnit: string;
  readonly direction?: "Input" | "Output";
  readonly cache?: "Read" | "Uncached" | "Write";
}

const TOKENS = { consumedUnit: "Tokens", pricingUnit: "1000000 Tokens" };
const METERS: Readonly<Record<Meter, MeterWords>> = {
  cache_read: { ...TOKENS, cache: "Read", direction: "Input", name: "Cache Read Input Tokens" },
  cache_write_1h: {
    ...TOKENS,
    cache: "Write",
    direction: "Input",
    name: "Cache Write Input Tokens, 1 Hour",
  },
  cache_write_5m: {
    ...TOKENS,
    cache: "Write",
    direction: "Input",
    name: "Cache Write Input Tokens",
  },
  input: { ...TOKENS, cache: "Uncached", direction: "Input", name: "Input Tokens" },
  output: { ...TOKENS, direction: "Output", name: "Output Tokens" },
  reasoning: { ...TOKENS, direction: "Output", name: "Reasoning Output Tokens" },
  requests: { consumedUnit: "Requests", name: "Requests", pricingUnit: "Requests" },
  whole: { consumedUnit: "Units", name: "Usage", pricingUnit: "Units" },
};

/** Names of providers as they invoice, and of what they sell; others are called as the model says. */
const PROVIDERS: Readonly<Record<string, readonly [company: string, product: string]>> = {
  anthropic: ["Anthropic", "Anthropic API"],
  bedrock: ["AWS", "Amazon Bedrock"],
  google: ["Google", "Gemini API"],
  groq: ["Groq", "GroqCloud"],
  mistral: ["Mistral AI", "Mistral API"],
  openai: ["OpenAI", "OpenAI API"],
};

/**
 * The columns of FOCUS 1.2's Cost and Usage dataset that apply, and behind them ours. An amount is what
 * is known without an invoice: billed and effective cost are the contracted one.
 */
export function focusTable(numbers: FocusNumbers): readonly Column<FocusRow>[] {
  const amount = (name: string, cell: (row: FocusRow) => bigint): Column<FocusRow> =>
    numbers === "exact"
      ? { cell, kind: "decimal", name }
      : { cell: (row) => double(cell(row)), kind: "number", name };
  const product = (
    name: string,
    cost: (row: FocusRow) => bigint,
    price: (row: FocusRow) => bigint,
  ): Column<FocusRow> =>
    numbers === "exact"
      ? { cell: cost, kind: "decimal", name }
      : { cell: (row): Cell => double(price(row)) * double(row.quantity), kind: "number", name };
  return [
    product("BilledCost", costOf, contractedPriceOf),
    text("BillingAccountId", providerOf),
    text("BillingAccountName", companyOf),
    text("BillingCurrency", () => "USD"),
    time("BillingPeriodEnd", (row) => monthSpan(monthOf(row.fromMs))?.toMs ?? 0),
    time("BillingPeriodStart", (row) => monthSpan(monthOf(row.fromMs))?.fromMs ?? 0),
    text("ChargeCategory", () => "Usage"),
    text("ChargeClass", (row) => (row.quantity < 0n || row.listCost < 0n ? "Correction" : "")),
    text("ChargeDescription", (row) => `${modelOf(row)}: ${METERS[row.meter].name}`),
    text("ChargeFrequency", () => "Usage-Based"),
    time("ChargePeriodEnd", (row) => row.toMs),
    time("ChargePeriodStart", (row) => row.fromMs),
    text("CommitmentDiscountStatus", () => ""),
    amount("ConsumedQuantity", (row) => row.consumed * ONE),
    text("ConsumedUnit", (row) => METERS[row.meter].consumedUnit),
    product("ContractedCost", costOf, contractedPriceOf),
    amount("ContractedUnitPrice", contractedPriceOf),
    product("EffectiveCost", costOf, contractedPriceOf),
    text("InvoiceId", () => ""),
    text("InvoiceIssuerName", companyOf),
    product("ListCost", (row) => row.listCost, listPriceOf),
    amount("ListUnitPrice", listPriceOf),
    text("PricingCategory", (row) => (row.fields.service_tier === "flex" ? "Dynamic" : "Standard")),
    text("PricingCurrency", () => "USD"),
    amount("PricingCurrencyContractedUnitPrice", contractedPriceOf),
    product("PricingCurrencyEffectiveCost", costOf, contractedPriceOf),
    amount("PricingCurrencyListUnitPrice", listPriceOf),
    amount("PricingQuantity", (row) => row.quantity),
    text("PricingUnit", (row) => METERS[row.meter].pricingUnit),
    ...WORDS,
  ];
}

const text = (name: string, cell: (row: FocusRow) => string): Column<FocusRow> => ({
  // What is not there is null in FOCUS, never an empty text.
  cell: (row) => cell(row) || null,
  kind: "text",
  name,
});
const time = (name: string, cell: (row: FocusRow) => number): Column<FocusRow> => ({
  cell,
  kind: "time",
  name,
});

const ONE = 1_000_000_000_000n;

function double(amount: bigint): number {
  return Number(amount) / 1e12;
}

const costOf = (row: FocusRow): bigint => row.contractedCost;
const contractedPriceOf = (row: FocusRow): bigint => row.contractedPrice;
const listPriceOf = (row: FocusRow): bigint => row.listPrice;
const isImported = ({ fields }: FocusRow): boolean => fields.basis === "imported";
const providerOf = ({ fields }: FocusRow): string => fields.provider || "unknown";
const modelOf = ({ fields }: FocusRow): string => fields.model || fields.asked_model || "unknown";

function companyOf(row: FocusRow): string {
  return PROVIDERS[row.fields.provider]?.[0] ?? providerOf(row);
}

function skuOf(row: FocusRow): string {
  return `${modelOf(row)}:${row.meter}`;
}

/** Keys that FOCUS does not define begin with x_. */
function detailsOf(row: FocusRow): string {
  const { cache, direction } = METERS[row.meter];
  return JSON.stringify({
    x_ModelId: modelOf(row),
    ...(direction && { x_TokenDirection: direction }),
    ...(cache && { x_TokenCacheAction: cache }),
    ...(row.fields.service_tier === "" ? {} : { x_ServiceTier: row.fields.service_tier }),
  });
}

const TAGS = ["team", "feature", "service", "cost_center", "environment", "customer"] as const;

function tagsOf({ fields }: FocusRow): string {
  return JSON.stringify(
    Object.fromEntries(TAGS.flatMap((name) => (fields[name] === "" ? [] : [[name, fields[name]]]))),
  );
}

const WORDS: readonly Column<FocusRow>[] = [
  text("ProviderName", companyOf),
  text("PublisherName", companyOf),
  text("ServiceCategory", (row) => (isImported(row) ? "Other" : "AI and Machine Learning")),
  text("ServiceName", (row) => PROVIDERS[row.fields.provider]?.[1] ?? companyOf(row)),
  text("ServiceSubcategory", (row) => (isImported(row) ? "Other (Other)" : "Generative AI")),
  text("SkuId", skuOf),
  text("SkuMeter", (row) => METERS[row.meter].name),
  text("SkuPriceDetails", detailsOf),
  text("SkuPriceId", (row) => `${skuOf(row)}@${row.fields.price_row || row.fields.service_tier}`),
  text("SubAccountId", (row) => row.fields.tenant),
  text("SubAccountName", (row) => row.fields.tenant),
  text("Tags", tagsOf),
  text("x_CostBasis", (row) => row.fields.basis),
  text("x_CostLayer", (row) => row.layer),
  text("x_ModelId", modelOf),
  text("x_Operation", (row) => row.fields.operation),
  text("x_PolicyBundle", (row) => row.fields.bundle),
  text("x_PriceBook", (row) => row.fields.price_book),
  text("x_Priced", (row) => row.fields.priced),
  text("x_PrincipalId", (row) => row.fields.principal),
  text("x_RequestedModelId", (row) => row.fields.asked_model),
  { cell: (row) => row.calls, kind: "integer", name: "x_Requests" },
  text("x_ServiceTier", (row) => row.fields.service_tier),
];
