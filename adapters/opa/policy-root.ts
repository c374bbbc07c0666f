import { cpSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, sep } from "node:path";

import { WeirError } from "../../engine/errors.ts";

/** The Rego library, its schemas and the example configuration, as they ship. */
export const LIBRARY = join(import.meta.dirname, "../../policies");

/** Where policies lie that can be compiled. */
export interface PolicyRoot {
  /** The folder that holds a whole `policies/`. */
  readonly root: string;
  /** The folder the author works in; the same one where the library is part of it. */
  readonly own: string;
  /** True where the library was laid under an organisation's own policies. */
  readonly laid: boolean;
}

/**
 * Runs a function on policies that are whole. A folder whose `policies/` holds `weir/` is; under any
 * other the shipped library, its schemas and configuration are laid, in a copy that is gone
 * afterwards: a file of the organisation's at the same path stands in the place of the shipped one.
 */
export async function withPolicyRoot<T>(
  folder: string,
  use: (policies: PolicyRoot) => Promise<T>,
): Promise<T> {
  const own = join(folder, "policies");
  if (!existsSync(own)) {
    const message = `there is no folder policies in ${folder}; weir policy new DIR makes one`;
    throw new WeirError("config.invalid", message);
  }
  if (existsSync(join(own, "weir"))) return use({ laid: false, own: folder, root: folder });
  const root = mkdtempSync(join(tmpdir(), "weir-policies-"));
  try {
    const whole = join(root, "policies");
    cpSync(LIBRARY, whole, { filter: isShipped, recursive: true });
    cpSync(own, whole, { recursive: true });
    return await use({ laid: true, own: folder, root });
  } finally {
    rmSync(root, { force: true, recursive: true });
  }
}

/** What an organisation's policies stand on: not the library's own tests, but the fixture they share. */
export function isShipped(path: string): boolean {
  const name = basename(path);
  if (/\.ts$|\.md$/.test(name)) return false;
  return !name.endsWith("_test.rego") || path.includes(`${sep}testing${sep}`);
}
