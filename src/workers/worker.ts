/**
 * A worker process: it leaves signals to its parent, dies with it in whatever it is
 * doing, and does what perform.ts says. That is loaded when the rest is settled,
 * since a signal may come while it loads.
 */
import { dieWithParent } from "../libc.ts";
import { die, endIfDebuggerOpened, ignoreSignals } from "../signals.ts";

// They reach the whole process group; when to stop is the parent's decision.
ignoreSignals();
dieWithParent();
// Elsewhere than on Linux, and when the parent has died before it could be watched.
process.on("disconnect", die);
if (!process.connected) die();
await import("./perform.ts");
endIfDebuggerOpened();
