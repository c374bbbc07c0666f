/** One change to one line of a policy that its tests ought to notice. */
export interface Mutant {
  /** Path below the policies, "weir/rules/agent/agent.rego". */
  readonly file: string;
  /** Counted from 1. */
  readonly line: number;
  /** The line before and after; an empty text removes it. */
  readonly before: string;
  readonly after: string;
}

const COMPARISONS: Readonly<Record<string, string>> = {
  "!=": "==",
  "<": "<=",
  "<=": "<",
  "==": "!=",
  ">": ">=",
  ">=": ">",
};

/** Another effect than the rule's own. */
const EFFECTS: Readonly<Record<string, string>> = {
  advise: "oblige",
  deny: "throttle",
  oblige: "deny",
  reroute: "oblige",
  throttle: "deny",
};

/**
 * Every mutant of a Rego source: each comparison turned or moved by its boundary, each `not` and
 * membership turned, each effect and cure changed, each condition on a line of its own removed.
 */
export function mutantsOf(file: string, source: string): readonly Mutant[] {
  return source
    .split("\n")
    .flatMap((before, index) =>
      [...new Set(changesOf(before))]
        .filter((after) => after !== before)
        .map((after) => ({ after, before, file, line: index + 1 })),
    );
}

/** The source with the mutant's line in place. */
export function applyMutant(source: string, { after, line }: Mutant): string {
  return source
    .split("\n")
    .map((text, index) => (index + 1 === line ? after : text))
    .join("\n");
}

function changesOf(line: string): readonly string[] {
  if (/^#\s+cure: model$/.test(line)) return [line.replace("model", "none")];
  if (line.startsWith("#") || line.startsWith("import ") || line.startsWith("package ")) return [];
  return [
    ...replaceEach(line, / (==|!=|>=|<=|>|<) /g, (sign) => ` ${COMPARISONS[sign] ?? sign} `),
    ...replaceEach(line, /^(advise|deny|oblige|reroute|throttle) contains/g, (effect) => {
      return `${EFFECTS[effect] ?? effect} contains`;
    }),
    ...replaceEach(line, /\bnot (?!in\b)/g, () => ""),
    ...membership(line),
    ...removal(line),
  ];
}

/** The line with one occurrence replaced, for each; text in quotes stays as it is. */
function replaceEach(line: string, sign: RegExp, by: (group: string) => string): string[] {
  return [...line.matchAll(sign)]
    .filter(({ index }) => (line.slice(0, index).match(/"/g) ?? []).length % 2 === 0)
    .map((match) => {
      const end = match.index + match[0].length;
      return line.slice(0, match.index) + by(match[1] ?? "") + line.slice(end);
    });
}

/** `x in y` as a condition of its own. */
function membership(line: string): string[] {
  const [, indent = "", condition = ""] =
    /^(\t+)((?!some |not |every ).* in .*[^{])$/.exec(line) ?? [];
  return condition === "" || condition.includes(":=") ? [] : [`${indent}not ${condition}`];
}

/** A condition that binds nothing, on a line of its own, may be absent. */
function removal(line: string): string[] {
  const condition = /^\t+(?!some |every |\}|\]|\)|")[a-z].*[^,{[(]$/.test(line);
  return condition && !line.includes(":=") && !line.includes(": ") ? [""] : [];
}
