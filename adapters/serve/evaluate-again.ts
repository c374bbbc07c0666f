import { WeirError } from "../../engine/errors.ts";
import type { Bundle } from "../../engine/policy/bundle.ts";
import { canonicalJson } from "../../engine/record/canonical.ts";
import type { DecisionRecord, Evaluation, LogLine } from "../../engine/record/record.ts";
import { BundleShelf } from "../bundles/shelf.ts";

/** Evaluates what a log's decisions were made on once more, on the bundles that made them. */
export class EvaluatingAgain {
  readonly #shelf: BundleShelf;
  readonly #unusable = new Map<string, string>();
  /** Inputs that were evaluated again. */
  count = 0;

  constructor(bundles: string) {
    this.#shelf = new BundleShelf(bundles);
  }

  /** What is wrong with a record; null: nothing. A bundle that cannot be used is told once. */
  check(line: LogLine): string | null {
    if (line.kind !== "decision") return null;
    const { digest } = line.bundle;
    if (this.#unusable.has(digest)) return null;
    const bundle = this.#open(digest);
    if (bundle !== null) return this.#compare(line, bundle);
    return `${this.#unusable.get(digest)}; neither this decision nor later ones of it can be evaluated again`;
  }

  #open(digest: string): Bundle | null {
    try {
      const bundle = this.#shelf.open(digest);
      if (bundle === null) this.#unusable.set(digest, `the bundle ${digest} is missing`);
      return bundle;
    } catch (thrown) {
      this.#unusable.set(digest, WeirError.from(thrown).message);
      return null;
    }
  }

  #compare({ evaluations, id }: DecisionRecord, bundle: Bundle): string | null {
    for (const { input, model, verdict } of evaluations) {
      this.count += 1;
      const again = bundle.policy.evaluate(canonicalJson(input));
      const text = again.text?.text ?? null;
      if (text === recordedText(verdict)) continue;
      const found = text ?? `a fault of the policy (${again.fault})`;
      return `decision ${id}: evaluating its input for ${model} again gives ${found}, which is not the recorded verdict`;
    }
    return null;
  }
}

function recordedText(verdict: Evaluation["verdict"]): string | null {
  return verdict === null ? null : canonicalJson(verdict);
}
