import { Counter, Gauge, type Registry } from "prom-client";
import type { BundleStatus } from "../../engine/operator/bundles.ts";

/** Counts what becomes of bundles. */
export interface BundleMetrics {
  changed(change: "activated" | "refused" | "rolled_back"): void;
  /** Gauges ask for this when they are read. */
  watch(status: () => BundleStatus): void;
}

const CHANGES = ["activated", "refused", "rolled_back"] as const;

export function registerBundleMetrics(registry: Registry): BundleMetrics {
  let status: (() => BundleStatus) | null = null;
  const changes = new Counter({
    name: "weir_bundle_changes_total",
    help: "Bundles that came to decide, were refused, or were returned to.",
    labelNames: ["change"],
    registers: [registry],
  });
  for (const change of CHANGES) changes.labels({ change }).inc(0);
  const gauge = (name: string, help: string, read: (now: BundleStatus) => number) =>
    // A registry keeps what is made with it; nobody else has to.
    void new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        if (status !== null) this.set(read(status()));
      },
    });
  gauge(
    "weir_bundle_activated_timestamp_seconds",
    "When the bundle in force came to decide, Unix time.",
    ({ active }) => active.atMs / 1_000,
  );
  gauge(
    "weir_bundle_answered_timestamp_seconds",
    "When the bundle's source last answered, Unix time; 0: never, as for a path.",
    ({ answeredAtMs }) => answeredAtMs / 1_000,
  );
  gauge(
    "weir_bundle_problem",
    "1 while the latest bundle of the source does not decide, or there is none.",
    ({ problem }) => (problem === "" ? 0 : 1),
  );
  gauge(
    "weir_bundle_quarantined",
    "Bundles that ended a process and are not used again.",
    ({ quarantined }) => quarantined.length,
  );
  void new Counter({
    name: "weir_canary_verdicts_total",
    help: "Verdicts of the canary, by whether they are those of the bundle that decides.",
    labelNames: ["result"],
    registers: [registry],
    collect() {
      const canary = status?.().canary ?? null;
      this.reset();
      if (canary === null) return;
      this.inc({ result: "same" }, canary.judged - canary.differences);
      this.inc({ result: "different" }, canary.differences);
      this.inc({ result: "dropped" }, canary.dropped);
    },
  });
  gauge("weir_canary_stopped", "1: there is a canary, and it judges no longer.", ({ canary }) =>
    canary === null || canary.stopped === "" ? 0 : 1,
  );
  return {
    changed: (change) => changes.labels({ change }).inc(),
    watch: (read) => {
      status = read;
    },
  };
}
