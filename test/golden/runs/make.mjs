/**
 * Makes the run folders beside this file with an older version: `node make.mjs <its built checkout>`.
 * The plain JavaScript engine computes the same everywhere, and `native` as the processor and the
 * compiler do, so that others' are as sound but differ. One core, so that jobs are the same everywhere.
 * Locks are left out: they name the machine.
 */
import { execFileSync, spawn } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const program = join(resolve(process.argv[2]), "bin", "mutransfer.js");
const specs = readdirSync(here).filter((name) => name.endsWith(".yaml"));
const work = mkdtempSync(join(tmpdir(), "mutransfer-golden-"));
for (const name of specs) cpSync(join(here, name), join(work, name));

const oneCore = ["-c", "0", process.execPath, program];
const run = (...args) =>
  execFileSync("taskset", [...oneCore, ...args], { cwd: work, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });

/** Runs a command until something has happened, and kills it with its workers, of which one may be stopped. */
async function runUntil(faults, isTime, ...args) {
  const env = { ...process.env, MUTRANSFER_FAULTS: faults };
  const child = spawn("taskset", [...oneCore, ...args], { cwd: work, env, stdio: "ignore", detached: true });
  const ended = new Promise((done) => child.on("close", done));
  let hasEnded = false;
  void ended.then(() => (hasEnded = true));
  while (!hasEnded && !isTime()) await new Promise((done) => setTimeout(done, 20));
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch (error) {
    if (error.code !== "ESRCH") throw error;
  }
  await ended;
}
const never = () => false;
const hasCheckpoint = (folder, pattern) => () =>
  existsSync(join(work, folder, "checkpoints")) && readdirSync(join(work, folder, "checkpoints")).some((name) => pattern.test(name));

// Checkpoints at steps 3, 6, 8 and so on: the worker's tenth is the second of the second rung's stack.
const sweeping = (engine) => ["--engine", engine, "--jobs", "1", "--stack", "2", "--checkpoint", "3"];
const [atRung, midStack] = ["journal.synced:4=KILL", "checkpoint.renamed:10=STOP"];
for (const [engine, prefix] of [
  ["tfjs", ""],
  ["native", "native-"],
]) {
  const out = (name) => ["sweep", "sweep.yaml", "--out", `${prefix}${name}`, ...sweeping(engine)];
  run(...out("whole"));
  await runUntil(atRung, never, ...out("at-rung"));
  await runUntil(midStack, hasCheckpoint(`${prefix}mid-stack`, /^trials-.*-12\.safetensors$/), ...out("mid-stack"));
}
run("transfer", "--best", "whole/results.json", "--force", "--engine", "tfjs");
await runUntil(
  "checkpoint.renamed:2=STOP",
  hasCheckpoint("target-half", /^target-8-20\.safetensors$/),
  ...["transfer", "--best", "whole/results.json", "--force", "--engine", "tfjs", "--checkpoint", "10", "--out", "target-half"],
);
run("coord-check", "sweep.yaml", "--seeds", "2", "--out", "native-whole", "--engine", "native");
run("transfer", "--best", "native-whole/results.json", "--width", "20", "--force", "--engine", "native");

const learning = (out) => ["sweep", "learning.yaml", "--out", out, "--engine", "tfjs", "--jobs", "1"];
run(...learning("learning-whole"));
await runUntil("journal.synced:7=KILL", never, ...learning("learning-half"));

const curves = (out) => ["curves", "curves.yaml", "--out", out, "--engine", "tfjs", "--jobs", "1", "--stack", "1"];
run(...curves("curves-whole"));
await runUntil("journal.synced:17=KILL", never, ...curves("curves-half"));

const folders = readdirSync(work).filter((name) => !specs.includes(name));
for (const name of readdirSync(work, { recursive: true })) if (/(^|\/)lock$/.test(name)) rmSync(join(work, name));
// What the version says of them, and what while it goes on with one; how long that took, and how often it says so, is of no matter.
const statuses = folders
  .filter((name) => existsSync(join(work, name, "journal.jsonl")))
  .map((name) => JSON.parse(run("status", name, "--json")));
writeFileSync(join(work, "statuses.json"), `${JSON.stringify(statuses, null, 2)}\n`);
cpSync(join(work, "at-rung"), join(work, "continued"), { recursive: true });
const events = run("sweep", "sweep.yaml", "--out", "continued", ...sweeping("tfjs"), "--events", "ndjson", "-q");
const isProgress = (line) => line.includes('"stack_progress"');
const comparable = events.replaceAll("continued/", "at-rung/").replace(/"engine_seconds":[^,}]*/g, '"engine_seconds":0');
writeFileSync(
  join(work, "events.ndjson"),
  comparable
    .split("\n")
    .filter((line) => !isProgress(line))
    .join("\n"),
);
for (const name of [...folders, "statuses.json", "events.ndjson"]) {
  rmSync(join(here, name), { recursive: true, force: true });
  cpSync(join(work, name), join(here, name), { recursive: true });
}
rmSync(work, { recursive: true });
