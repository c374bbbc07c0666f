import type { Dimension } from "../../engine/ledger/ledger-entry.ts";
import type { EntryFilter, EntryKey } from "../../engine/ledger/query.ts";
import { columnOf, kindNumber } from "./columns.ts";
import type { SqlValue } from "./connection.ts";

/** Conditions of a query and their parameters, numbered as they come. */
export class Conditions {
  readonly #texts: string[] = [];
  readonly parameters: SqlValue[];

  /** `outer`: conditions of the query that these are within, to number parameters with. */
  constructor(outer?: Conditions) {
    this.parameters = outer?.parameters ?? [];
  }

  /** Adds a value and gives its place. */
  value(value: SqlValue): string {
    this.parameters.push(value);
    return `$${this.parameters.length}`;
  }

  add(text: string): void {
    this.#texts.push(text);
  }

  in(column: string, values: readonly SqlValue[]): void {
    if (values.length === 0) this.add("1 = 0");
    else this.add(`${column} IN (${values.map((one) => this.value(one)).join(", ")})`);
  }

  /** WHERE and all of them, or nothing. */
  get where(): string {
    return this.#texts.length === 0 ? "" : ` WHERE ${this.#texts.join(" AND ")}`;
  }
}

/** What a filter says of dimensions (alias d) and kinds. */
export function filterBy(conditions: Conditions, filter: EntryFilter, kindColumn: string): void {
  if (filter.tenants !== null) conditions.in("d.tenant", filter.tenants);
  for (const [dimension, values] of Object.entries(filter.dimensions)) {
    conditions.in(`d.${columnOf(dimension as Dimension)}`, values);
  }
  if (filter.kinds.length > 0) conditions.in(kindColumn, filter.kinds.map(kindNumber));
}

/** The same for sums by set of dimensions (alias s), which name the set by its id. */
export function filterSums(conditions: Conditions, filter: EntryFilter): void {
  const meant = new Conditions(conditions);
  filterBy(meant, { ...filter, kinds: [] }, "");
  if (meant.where !== "") {
    conditions.add(`s.dimension IN (SELECT d.id FROM dimensions d${meant.where})`);
  }
  if (filter.kinds.length > 0) conditions.in("s.kind", filter.kinds.map(kindNumber));
}

/** Entries behind a key, in the order of the list. */
export function afterKey(conditions: Conditions, key: EntryKey, oldestFirst: boolean): void {
  const places = [key.bookedMs, key.writer, key.sequence, key.part].map((one) =>
    conditions.value(one),
  );
  const columns = "(e.booked_ms, e.writer, e.sequence, e.part)";
  conditions.add(`${columns} ${oldestFirst ? ">" : "<"} (${places.join(", ")})`);
}
