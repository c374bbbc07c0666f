const DOUBTS_MAX = 10_000;

/**
 * Calls whose answer was lost: they may have been carried out or not. What they did is looked at once
 * the store answers again. Bounded; what falls out ends by its own deadline.
 */
export class Doubts {
  readonly #reservations = new Map<string, number>();
  readonly #settlements = new Set<string>();
  readonly #ends = new Set<string>();
  readonly #releases = new Set<string>();

  reservation(decisionId: string, nowMs: number): void {
    if (this.#reservations.size < DOUBTS_MAX) this.#reservations.set(decisionId, nowMs);
  }

  reservations(): readonly (readonly [string, number])[] {
    return [...this.#reservations];
  }

  settlement(report: string): void {
    if (this.#settlements.size < DOUBTS_MAX) this.#settlements.add(report);
  }

  takeSettlement(report: string): boolean {
    return this.#settlements.delete(report);
  }

  end(decisionId: string): void {
    if (this.#ends.size < DOUBTS_MAX) this.#ends.add(decisionId);
  }

  ends(): readonly string[] {
    return [...this.#ends];
  }

  release(decisionId: string): void {
    if (this.#releases.size < DOUBTS_MAX) this.#releases.add(decisionId);
  }

  takeRelease(decisionId: string): boolean {
    return this.#releases.delete(decisionId);
  }

  resolve(decisionId: string): void {
    this.#reservations.delete(decisionId);
    this.#ends.delete(decisionId);
  }
}
