#!/usr/bin/env node
import { runWeir } from "./main.ts";
import { processTerminal } from "./terminal.ts";

process.exitCode = await runWeir(process.argv.slice(2), processTerminal());
