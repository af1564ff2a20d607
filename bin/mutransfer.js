#!/usr/bin/env node
import { endIfDebuggerOpened, refuseDebugger } from "../dist/src/cli/signals.js";

refuseDebugger();
const { main } = await import("../dist/src/cli/main.js");
endIfDebuggerOpened();
process.exitCode = await main(process.argv.slice(2));
// What was printed gets out; what may still compute, or hang in a driver, is not waited for.
process.stdout.write("", () => process.stderr.write("", () => process.exit()));
