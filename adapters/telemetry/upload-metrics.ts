import { Counter, Gauge, type Registry } from "prom-client";

/** What metrics ask of the upload of decision logs when they are read. */
export interface UploadSource {
  progress(): { readonly sent: number; readonly dropped: number };
  lagSeconds(): number;
}

export function registerUploadMetrics(registry: Registry, upload: UploadSource): void {
  const counter = (name: string, help: string, read: () => number) =>
    // A registry keeps what is made with it; nobody else has to.
    void new Counter({
      name,
      help,
      registers: [registry],
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  counter(
    "weir_decision_logs_sent_total",
    "Decisions that the collecting server took.",
    () => upload.progress().sent,
  );
  counter(
    "weir_decision_logs_dropped_total",
    "Decisions that the collecting server will never have: alone too large, or refused by it.",
    () => upload.progress().dropped,
  );
  void new Gauge({
    name: "weir_decision_logs_lag_seconds",
    help: "For how long decisions of the log have not been with the collecting server.",
    registers: [registry],
    collect() {
      this.set(upload.lagSeconds());
    },
  });
}
