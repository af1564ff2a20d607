#!/usr/bin/env node
import { endIfDebuggerOpened, refuseDebugger } from "../dist/src/signals.js";

refuseDebugger();
const { main } = await import("../dist/src/cli/main.js");
endIfDebuggerOpened();
process.exitCode = await main(process.argv.slice(2));
// Workers that are ending are waited for; what still computes, or hangs in a driver, is not.
setTimeout(() => process.exit(), 2000).unref();
