#!/usr/bin/env node
// Plain JavaScript, so that a Node too old to run the sources still answers. It starts the Node that
// npm installed beside them, or says what is needed.
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

if (process.features.typescript) await import("./weir.ts");
else startBundledNode();

function startBundledNode() {
  const node = findBundledNode();
  if (node === null) {
    process.stderr.write(
      `weir: Node ${process.versions.node} is too old; 22.18 or newer is needed\n`,
    );
    process.exitCode = 1;
    return;
  }
  const script = fileURLToPath(new URL("./weir.ts", import.meta.url));
  const child = spawn(node, [script, ...process.argv.slice(2)], { stdio: "inherit" });
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
