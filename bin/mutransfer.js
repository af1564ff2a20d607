#!/usr/bin/env node
import { endIfDebuggerOpened, refuseDebugger } from "../dist/src/cli/signals.js";

refuseDebugger();
const { main } = await import("../dist/src/cli/main.js");
endIfDebuggerOpened();
process.exitCode = await main(process.argv.slice(2));
