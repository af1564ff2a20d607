// A real worker process for the pool's tests: what it does is decided by the task's data seed.
//   seed 1: answers · 2: dies by a native abort · 3: dies the first time, answers the second (a marker file remembers)
//   4: reports a failure · 5: says that its engine is unavailable · 6: never answers
//   8: fails as long as its marker file is not there
//   7: is out of memory with more than two lanes
import { existsSync, writeFileSync } from "node:fs";

const outcome = { status: "completed", validationLoss: 1.5, curve: [], steps: 7 };
process.on("disconnect", () => process.exit());
process.on("message", ({ kind, training }) => {
  if (kind === "stop") return;
  // Describes itself by a variable that it was given, a little late so that every worker gets one of several requests.
  if (kind === "describe") return setTimeout(() => process.send({ kind: "done", result: { version: process.env.NAME } }), 100);
  const answer = () => process.send({ kind: "done", result: { outcomes: training.lanes.map(() => outcome), engineSeconds: 0.5 } });
  process.send({ kind: "news", news: { step: 3, validationLosses: training.lanes.map(() => 2.5), evaluations: [] } });
  const lane = training.lanes[0].seed;
  if (lane === 1) answer();
  if (lane === 2) {
    process.stderr.write("last words", () => process.abort());
  }
  if (lane === 3) {
    if (existsSync(training.data.train.pieces[0].file.path)) answer();
    else {
      writeFileSync(training.data.train.pieces[0].file.path, "");
      process.kill(process.pid, "SIGKILL");
    }
  }
  if (lane === 7) {
    if (training.lanes.length <= 2) answer();
    else process.send({ kind: "failed", reason: "out of memory", outOfMemory: true });
  }
  if (lane === 8) {
    if (existsSync(training.data.train.pieces[0].file.path)) answer();
    else process.send({ kind: "failed", reason: "not yet" });
  }
  if (lane === 4) process.send({ kind: "failed", reason: "out of memory" });
  if (lane === 5) process.send({ kind: "unavailable", reason: "no such library" });
});
