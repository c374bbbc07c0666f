#!/usr/bin/env node
// Plain JavaScript, so that a Node too old for Weir still answers. It runs the sources in a checkout
// and the compiled files in an installed package, on the Node that npm installed beside them where
// the one at hand is too old, or says what is needed.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const sources = new URL("./weir.ts", import.meta.url);
const compiled = new URL("../../dist/adapters/cli/weir.js", import.meta.url);
const fromSources = existsSync(sources);
const script = fromSources ? sources : compiled;

if (isNewEnough() && (!fromSources || process.features.typescript)) await import(script.href);
else startBundledNode();

function isNewEnough() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  return major > 22 || (major === 22 && minor >= 18);
}

function startBundledNode() {
  const node = findBundledNode();
  if (node === null) {
    process.stderr.write(
      `weir: Node ${process.versions.node} is too old; 22.18 or newer is needed\n`,
    );
    process.exitCode = 1;
    return;
  }
  const child = spawn(node, [fileURLToPath(script), ...process.argv.slice(2)], {
    stdio: "inherit",
  });
  // Ctrl-C reaches the child by itself, from the terminal.
  process.on("SIGINT", () => {});
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  child.on("exit", (code, signal) => {
    if (signal !== null) process.removeAllListeners(signal).kill(process.pid, signal);
    else process.exitCode = code ?? 1;
  });
}

function findBundledNode() {
  try {
    const require = createRequire(import.meta.url);
    return require.resolve(`node-${process.platform}-${process.arch}/bin/node`);
  } catch {
    return null;
  }
}
