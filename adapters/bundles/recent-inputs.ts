import type { Evaluator } from "../../engine/policy/evaluate.ts";

const KEPT = 64;

/** The policy inputs of the latest evaluations: what a new bundle will meet in a moment. */
export class RecentInputs {
  readonly #texts: string[] = [];
  #next = 0;

  get texts(): readonly string[] {
    return [...this.#texts];
  }

  /** The same policy, its inputs kept. */
  watch(policy: Evaluator): Evaluator {
    return {
      evaluate: (inputText) => {
        this.#texts[this.#next] = inputText;
        this.#next = (this.#next + 1) % KEPT;
        return policy.evaluate(inputText);
      },
    };
  }
}
