import type { Decision } from "../../engine/decision/decision.ts";
import type { RawIntent } from "../../engine/intent/intent.ts";
import type { Caller, Weir } from "../../engine/weir.ts";
import { decisionOf } from "../../test/support/decision.ts";

/** An engine that remembers what it was asked and answers what it is told, for tests. */
export class FakeWeir implements Weir {
  readonly asked: { readonly raw: RawIntent; readonly caller: Caller }[] = [];
  readonly undeliveredIds: string[] = [];
  answer: () => Promise<Decision> = () => Promise.resolve(decisionOf());

  decide(raw: RawIntent, caller: Caller): Promise<Decision> {
    this.asked.push({ raw, caller });
    return this.answer();
  }

  report(): Promise<never> {
    return Promise.reject(new Error("not asked for"));
  }

  cancel(): Promise<never> {
    return Promise.reject(new Error("not asked for"));
  }

  undelivered(decision: Decision): Promise<void> {
    this.undeliveredIds.push(decision.id);
    return Promise.resolve();
  }

  sweep(): Promise<number> {
    return Promise.resolve(0);
  }

  idle(): Promise<void> {
    return Promise.resolve();
  }
}
