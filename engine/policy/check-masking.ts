import type { FieldViolation } from "../errors.ts";
import { isMaskable, MASKABLE } from "../intent/mask.ts";
import type { BundleData } from "./bundle-data.ts";

/**
 * What is wrong with the fields a bundle wants masked. Who a call is from and what it is matched by
 * must stay what it is: a budget that matches a user by name would match nobody.
 */
export function maskingFaults(data: BundleData): readonly FieldViolation[] {
  if (data.masking === undefined) return [];
  const { fields } = data.masking;
  if (!Array.isArray(fields) || !fields.every((path) => typeof path === "string")) {
    return [{ description: "not a list of fields", field: "config.masking.fields" }];
  }
  return fields.flatMap((path, index) => {
    const field = `config.masking.fields[${index}]`;
    if (!isMaskable(path)) {
      const accepted = `${MASKABLE.join(", ")} and labels.NAME`;
      return [{ description: `"${path}" cannot be masked; accepted are ${accepted}`, field }];
    }
    const name = path.replace(/^attribution\./, "");
    const selecting = selectorsOf(data).find(({ match }) => Object.hasOwn(match, name));
    if (selecting === undefined) return [];
    const description = `"${path}" cannot be masked: ${selecting.what} matches it by value`;
    return [{ description, field }];
  });
}

/** Whatever compares fields of a call with values of the bundle. */
function selectorsOf({ budgets, hours = [], waivers = [] }: BundleData) {
  return [
    ...budgets.map(({ id, match }) => ({ match, what: `budget ${id}` })),
    ...hours.map(({ id, match }) => ({ match, what: `hours ${id}` })),
    ...waivers.map(({ id, match }) => ({ match, what: `waiver ${id}` })),
  ];
}
