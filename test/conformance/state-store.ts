import { describe, test } from "vitest";

import type { StateStore } from "../../engine/ports.ts";
import { budgetCases } from "./budget-cases.ts";
import type { Case } from "./checks.ts";
import { controlCases } from "./control-cases.ts";
import { idempotencyCases } from "./idempotency-cases.ts";
import { adjustingCases, reservingCases } from "./reserving-cases.ts";
import { settlementCases } from "./settlement-cases.ts";
import { velocityCases } from "./velocity-cases.ts";

export interface Conformance {
  readonly name: string;
  /** An empty store. */
  readonly create: () => Promise<StateStore>;
}

/** Every promise of the StateStore port, by the sections of its specification. */
export function runStateStoreConformance({ create, name }: Conformance): void {
  const sections: Readonly<Record<string, readonly Case[]>> = {
    "idempotency (2)": idempotencyCases,
    "reserving (3)": reservingCases,
    "rerouting (5)": adjustingCases,
    "reports and ends (8, 9)": settlementCases,
    "budgets (10)": budgetCases,
    "velocity and runs (11)": velocityCases,
    "freezes, grants, looks": controlCases,
  };
  describe(`state store: ${name}`, () => {
    for (const [section, cases] of Object.entries(sections)) {
      describe(section, () => {
        for (const [title, check] of cases) {
          test(title, async () => check(await create()));
        }
      });
    }
  });
}
