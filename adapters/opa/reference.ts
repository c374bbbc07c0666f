import type { Schema } from "./parity/schema.ts";

/** The page that says what a policy reads and what it answers, from the schemas that editors use. */
export function renderReference(input: Schema, result: Schema): string {
  return [
    "# What a policy reads and answers",
    "Generated from `policies/schemas/` by `npm run build:policies`. Everything that is listed is there, unless it says otherwise; numbers are whole.",
    "## Input: `input`",
    table(rowsOf(input, "")),
    "## Result: `data.weir.decision`",
    table(rowsOf(result, "")),
    "",
  ]
    .join("\n\n")
    .trimEnd()
    .concat("\n");
}

interface Row {
  readonly path: string;
  readonly type: string;
  readonly description: string;
}

function rowsOf(schema: Schema, at: string): readonly Row[] {
  const forms = [schema, ...(schema.anyOf ?? [])];
  const optional = (name: string, of: Schema): boolean => of.required?.includes(name) !== true;
  return forms.flatMap((form) => [
    ...(form.items === undefined ? [] : rowsOf(form.items, `${at}[]`)),
    ...Object.entries(form.properties ?? {}).flatMap(([name, member]) => {
      const path = at === "" ? name : `${at}.${name}`;
      const type = optional(name, form) ? `${typeOf(member)}, optional` : typeOf(member);
      return [{ description: member.description ?? "", path, type }, ...rowsOf(member, path)];
    }),
  ]);
}

function typeOf(schema: Schema): string {
  const { additionalProperties: free, anyOf, items, type = "any" } = schema;
  if (anyOf !== undefined) return anyOf.map(typeOf).join(" or ");
  if (schema.enum !== undefined) return schema.enum.map((word) => `\`${String(word)}\``).join(", ");
  if (items !== undefined)
    return `list of ${items.properties === undefined ? typeOf(items) : "objects"}`;
  if (typeof free === "object") return `object of ${typeOf(free)}`;
  return [type].flat().join(" or ");
}

/** A table as the formatter of this repository leaves it: columns as wide as their widest cell. */
function table(rows: readonly Row[]): string {
  const cells = [
    ["member", "type", "what"],
    ...rows.map(({ description, path, type }) => [`\`${path}\``, type, description]),
  ];
  const widths = [0, 1, 2].map((column) =>
    Math.max(...cells.map((row) => row[column]?.length ?? 0)),
  );
  const lines = cells.map(
    (row) => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`,
  );
  const rule = `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`;
  return [lines[0], rule, ...lines.slice(1)].join("\n");
}
