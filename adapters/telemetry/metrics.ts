import { LRUCache } from "lru-cache";
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Decision } from "../../engine/decision/decision.ts";
import type { ReportResult } from "../../engine/ledger/report.ts";
import { type BundleMetrics, registerBundleMetrics } from "./bundle-metrics.ts";
import { registerUploadMetrics, type UploadSource } from "./upload-metrics.ts";

/** What the gauges ask for when they are read. */
export interface MetricSources {
  /** Reservations not yet ended. */
  readonly openReservations: () => Promise<number>;
  /** The bundle in force; null while there is none. */
  readonly bundle: () => { readonly revision: string; readonly digest: string } | null;
  /** How far the ledger's query store is behind the log; not a number where there is none. */
  readonly ledgerLagSeconds: () => number;
}

/** The service's metrics, in a registry of their own. */
export interface Metrics {
  /** Counts an answered intent and how long it took. */
  decided(decision: Decision, seconds: number): void;
  /** Counts what a report did and what it charged for good. */
  reported(result: ReportResult): void;
  /** Counts an access log entry of Envoy, by what became of it. */
  settled(result: string): void;
  /** What becomes of bundles. */
  readonly bundles: BundleMetrics;
  /** Shows what becomes of decision logs; without it there is nothing to show. */
  watchUpload(upload: UploadSource): void;
  /** Counts an error of any call, by code. */
  failed(code: string): void;
  /** The exposition in Prometheus text format. */
  exposition(): Promise<{ readonly contentType: string; readonly text: string }>;
  /** Stops the collection of process metrics. */
  close(): void;
}

/** A registry with every metric of the service and those of the process. */
export function createMetrics(sources: MetricSources): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  registerGauges(registry, sources);
  const decided = decisionRecorder(registry);
  const reported = reportRecorder(registry);
  const errors = new BoundCounter(registry, {
    name: "weir_errors_total",
    help: "Calls that ended in an error, by error code.",
    label: "code",
  });
  const settlements = new BoundCounter(registry, {
    name: "weir_envoy_settlements_total",
    help: "Calls that Envoy told the end of, by what became of it.",
    label: "result",
  });
  return {
    bundles: registerBundleMetrics(registry),
    watchUpload: (upload) => registerUploadMetrics(registry, upload),
    decided,
    reported,
    settled: (result) => settlements.add(result),
    failed: (code) => errors.add(code),
    exposition: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
    close: () => registry.clear(),
  };
}

function decisionRecorder(registry: Registry): Metrics["decided"] {
  const decisions = new Counter({
    name: "weir_decisions_total",
    help: "Decisions by effect and mode. In shadow the effect is always allow.",
    labelNames: ["effect", "mode"],
    registers: [registry],
  });
  const reasons = new BoundCounter(registry, {
    name: "weir_decision_reasons_total",
    help: "Findings in decisions, by code.",
    label: "code",
  });
  const duration = new Histogram({
    name: "weir_decision_duration_seconds",
    help: "Time from the parsed request to the durable record.",
    buckets: [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1],
    registers: [registry],
  });
  const unpriced = new Counter({
    name: "weir_unpriced_calls_total",
    help: "Decisions on models that the price book does not hold.",
    registers: [registry],
  });
  const children = {
    enforce: childrenOf(decisions, "enforce"),
    shadow: childrenOf(decisions, "shadow"),
  };
  return (decision, seconds) => {
    duration.observe(seconds);
    children[decision.mode][decision.effect].inc();
    if (!decision.estimate.priced) unpriced.inc();
    for (const { code } of decision.reasons) reasons.add(code);
  };
}

/** Children bound once, so that a decision looks up no labels. */
function childrenOf(counter: Counter<"effect" | "mode">, mode: Decision["mode"]) {
  const child = (effect: Decision["effect"]) => {
    const bound = counter.labels({ effect, mode });
    bound.inc(0);
    return bound;
  };
  return {
    allow: child("allow"),
    reroute: child("reroute"),
    throttle: child("throttle"),
    block: child("block"),
  };
}

function reportRecorder(registry: Registry): Metrics["reported"] {
  const reports = new BoundCounter(registry, {
    name: "weir_reports_total",
    help: "Reports of actual usage, by what became of them.",
    label: "status",
  });
  const settled = new Counter({
    name: "weir_settled_usd_total",
    help: "Charged for good, US dollars. A rate, not an account: the ledger is exact.",
    registers: [registry],
  });
  const unknown = new BoundCounter(registry, {
    name: "weir_usage_unknown_fields_total",
    help: "Members of providers' usage that are not known here, by format and name: the format has changed.",
    label: "field",
  });
  // A result carries the charge so far; a correction counts only by what it adds to that.
  const charged = new LRUCache<string, bigint>({ max: 16_384 });
  return (result) => {
    reports.add(result.status);
    for (const field of result.unknownUsage ?? []) unknown.add(field);
    if (result.status !== "settled" && result.status !== "corrected") return;
    const added = result.chargedNanoUsd - (charged.get(result.decisionId) ?? 0n);
    charged.set(result.decisionId, result.chargedNanoUsd);
    if (added > 0n) settled.inc(Number(added) / 1e9);
  };
}

function registerGauges(registry: Registry, sources: MetricSources): void {
  const { openReservations, bundle, ledgerLagSeconds } = sources;
  // A registry keeps what is made with it; nobody else has to.
  void new Gauge({
    name: "weir_reservations_open",
    help: "Reservations not yet settled, released or expired.",
    registers: [registry],
    async collect() {
      // A store that does not answer must not take the other metrics with it.
      this.set(await openReservations().catch(() => Number.NaN));
    },
  });
  void new Gauge({
    name: "weir_ledger_lag_seconds",
    help: "For how long the ledger's query store has been behind the log.",
    registers: [registry],
    collect() {
      this.set(ledgerLagSeconds());
    },
  });
  void new Gauge({
    name: "weir_bundle_info",
    help: "The policy bundle in force; always 1.",
    labelNames: ["revision", "digest"],
    registers: [registry],
    collect() {
      const current = bundle();
      this.reset();
      if (current !== null) this.set({ revision: current.revision, digest: current.digest }, 1);
    },
  });
}

/** A counter with one label whose children are bound at first sight, and not without end. */
class BoundCounter {
  readonly #counter: Counter;
  readonly #label: string;
  readonly #children = new Map<string, Counter.Internal>();

  constructor(registry: Registry, options: { name: string; help: string; label: string }) {
    this.#label = options.label;
    this.#counter = new Counter({
      name: options.name,
      help: options.help,
      labelNames: [options.label],
      registers: [registry],
    });
  }

  add(value: string): void {
    (this.#children.get(value) ?? this.#bind(value)).inc();
  }

  #bind(value: string): Counter.Internal {
    const bounded = this.#children.size < CHILDREN_MAX ? value : "other";
    const child = this.#counter.labels({ [this.#label]: bounded });
    if (bounded === value) this.#children.set(value, child);
    return child;
  }
}

// Codes come from bundles, which change; a series that is never seen again still costs memory.
const CHILDREN_MAX = 256;
