import { isDeepStrictEqual } from "node:util";

import type { Bundle } from "../../../../engine/policy/bundle.ts";

/** Something that is not alike in two bundles; absent on the side that does not have it. */
export interface Change {
  /** As in `config.budgets["search-day"].limit`; for a rule its code, or `CODE.severity`. */
  readonly at: string;
  readonly before?: unknown;
  readonly after?: unknown;
}

/** Rules by code: added, removed, and what of them is described otherwise. */
export function ruleChanges(before: Bundle["rules"], after: Bundle["rules"]): readonly Change[] {
  return memberChanges(before, after, (code, member) => {
    if (member === null) return code;
    return `${code}.${member}`;
  });
}

function memberChanges(
  before: Readonly<Record<string, object>>,
  after: Readonly<Record<string, object>>,
  at: (name: string, member: string | null) => string,
): readonly Change[] {
  return namesOf(before, after).flatMap((name): Change[] => {
    const [one, other] = [before[name], after[name]];
    if (one === undefined) return [{ after: other, at: at(name, null) }];
    if (other === undefined) return [{ at: at(name, null), before: one }];
    const [was, is] = [one, other] as Readonly<Record<string, unknown>>[];
    return namesOf(one, other)
      .filter((member) => !isDeepStrictEqual(was?.[member], is?.[member]))
      .map((member) => ({ after: is?.[member], at: at(name, member), before: was?.[member] }));
  });
}

/** Values that differ in two documents; items of a list that have an id are told apart by it. */
export function valueChanges(before: unknown, after: unknown, at: string): readonly Change[] {
  if (isDeepStrictEqual(before, after)) return [];
  const [one, other] = [membersOf(before), membersOf(after)];
  if (one === null || other === null) return [{ after, at, before }];
  const isList = Array.isArray(before);
  return namesOf(one, other).flatMap((name): readonly Change[] => {
    const path = !isList && /^\w+$/.test(name) ? `${at}.${name}` : `${at}["${name}"]`;
    if (!Object.hasOwn(one, name)) return [{ after: other[name], at: path }];
    if (!Object.hasOwn(other, name)) return [{ at: path, before: one[name] }];
    return valueChanges(one[name], other[name], path);
  });
}

type Members = Readonly<Record<string, unknown>>;

/** Members by name, items by id; null for a value that has neither. */
function membersOf(value: unknown): Members | null {
  if (typeof value !== "object" || value === null) return null;
  if (!Array.isArray(value)) return value as Members;
  const ids = value.map((item: unknown) => (item as { readonly id?: unknown } | null)?.id);
  if (ids.some((id) => typeof id !== "string") || new Set(ids).size < ids.length) return null;
  return Object.fromEntries(value.map((item: unknown, index) => [ids[index] as string, item]));
}

function namesOf(one: object, other: object): readonly string[] {
  return [...new Set([...Object.keys(one), ...Object.keys(other)])].toSorted();
}
