/**
 * Runs a WASI command module in this process and exits with its code.
 * Arguments: the module, its folders as JSON {guest: host}, then the module's own arguments.
 */
import { readFileSync } from "node:fs";
import { WASI } from "node:wasi";

const [module = "", folders = "{}", ...args] = process.argv.slice(2);

const wasi = new WASI({
  version: "preview1",
  args: ["opac", ...args],
  // The module lives for one run: collecting garbage before a gigabyte is only time lost.
  env: { GOGC: "off", GOMEMLIMIT: "1GiB", PWD: "/" },
  preopens: JSON.parse(folders) as Record<string, string>,
  returnOnExit: true,
});
const compiled = new WebAssembly.Module(readFileSync(module));
const instance = new WebAssembly.Instance(compiled, wasi.getImportObject());
process.exitCode = wasi.start(instance);
