/**
 * The crash harness, `npm run torture -- --rounds N [--seed S] [--only TEXT]`: each round
 * injects one fault into a sweep or a target run, continues it until it is done, and
 * demands what an uninterrupted run gives, byte for byte, with nothing that was
 * acknowledged trained again. Prints a table; ends with 1 when anything was lost.
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openDataset } from "../../src/data/dataset.ts";
import { openTokens } from "../../src/data/token-run.ts";
import { randomStream, type RandomStream } from "../../src/rng.ts";
import { runCommand, type Ended } from "./command.ts";
import { faults, type Fault } from "./faults.ts";

const { values: options } = parseArgs({
  options: { rounds: { type: "string", default: "200" }, seed: { type: "string", default: "1" }, only: { type: "string", default: "" } },
});
const engines = ["native", "native", "native", "onnxruntime"] as const;
const spec = `name: torture
data: {source: {tokens: tokens.bin, vocab_size: 89}}
model: {layers: 1, head_dim: 8, context: 16}
width: {proxy: 16, target: 32}
train: {steps: 300, batch: 4, evaluate: {every: 100, batches: 2}}
search: {trials: 8, early_stopping: {first: 60}, confirm: {top: 2, seeds: 2}, parameters: {learning_rate: {values: [0.003, 0.01, 0.02, 0.03, 0.05, 0.08, 0.1, 1.0e+30]}}}
`;
const work = mkdtempSync(join(tmpdir(), "mutransfer-torture-"));
writeFileSync(join(work, "spec.yaml"), spec);
const data = join(work, "tokens.bin");
/** Moby Dick as token ids, in a file that faults can get at. */
async function writeData(): Promise<void> {
  const { train } = await openDataset({ source: "moby-dick", tokenizer: "characters", validation: 0.1 }, work, join(work, "cache"));
  const ids = new Int32Array(train.count);
  openTokens(train).read(0, ids);
  writeFileSync(data, Uint16Array.from(ids));
}
/** The commands that are tortured, and the files that must come out the same. */
const commands = {
  sweep: {
    args: (folder: string, engine: string) => ["sweep", "spec.yaml", "--out", folder, "--engine", engine, "--events", "ndjson"],
    files: ["results.json", "trials.csv"],
  },
  transfer: {
    args: (folder: string, engine: string) => ["transfer", "--best", `${folder}/results.json`, "--engine", engine],
    files: ["transfer.json", "weights.safetensors"],
  },
} as const;
type Command = keyof typeof commands;
/** Often enough that most faults find a checkpoint. */
const always = ["-q", "--checkpoint", "40"];
const mostResumes = 12;

interface Tally {
  rounds: number;
  /** Rounds in which the fault found something to strike. */
  struck: number;
  resumes: number;
  lost: number;
  differing: number;
}
const tallies = new Map<string, Tally>();
const complaints: string[] = [];

async function finish(command: Command, folder: string, engine: string): Promise<Ended> {
  return runCommand([...commands[command].args(folder, engine), ...always], { cwd: work, folder: join(work, folder), data });
}

/** What an uninterrupted run leaves. */
async function reference(engine: string): Promise<string> {
  const folder = `reference-${engine}`;
  for (const command of ["sweep", "transfer"] as const) {
    const { code, stderr } = await finish(command, folder, engine);
    if (code !== 0) throw new Error(`the uninterrupted ${command} ended with ${String(code)}: ${stderr}`);
  }
  return folder;
}

/** Exit codes that a fault may lead to; a signal that killed it is no code. */
const documented: ReadonlySet<number | null> = new Set([null, 0, 3, 4, 5, 6, 130, 143]);

async function round(number: number, fault: Fault, random: RandomStream): Promise<void> {
  const engine = engines[number % engines.length];
  const command: Command = random.uniform() < 0.3 && !/journal|lock/.test(fault.kind) ? "transfer" : "sweep";
  const from = `reference-${engine}`;
  const folder = `round-${number}`;
  mkdirSync(join(work, folder));
  if (command === "transfer") for (const name of ["results.json", "probe.json"]) cpSync(join(work, from, name), join(work, folder, name));
  const setting = { cwd: work, folder: join(work, folder), data };
  const complain = (what: string): void => void complaints.push(`round ${number}, ${fault.kind}, ${command} on ${engine}: ${what}`);
  const tally = tallies.get(fault.kind) ?? { rounds: 0, struck: 0, resumes: 0, lost: 0, differing: 0 };
  tallies.set(fault.kind, tally);
  tally.rounds++;

  const log = join(work, `faults-${number}`);
  const once: Fault = fault.environment
    ? { ...fault, environment: (stream) => ({ ...fault.environment?.(stream), MUTRANSFER_FAULTS_LOG: log }) }
    : fault;
  const struck = await runCommand([...commands[command].args(folder, engine), ...always], setting, once, random);
  const judge = ({ code, stderr, orphans }: Ended): void => {
    if (orphans) complain("processes were left behind");
    if (!documented.has(code)) complain(`exit code ${String(code)}: ${stderr}`);
    if (/\n\s+at .*\(|internal error/.test(stderr)) complain(`a stack trace: ${stderr}`);
  };
  judge(struck);
  const spoiled = fault.between?.(setting.folder, random) ?? false;
  const acknowledged = new Set<string>(spoiled && /journal/.test(fault.kind) ? [] : struck.acknowledged);
  if (spoiled || (fault.between === undefined && (struck.struck || existsSync(log) || fault.limit !== undefined))) tally.struck++;
  let code = struck.code;
  for (let resumes = 0; (code !== 0 || resumes === 0) && resumes < mostResumes; resumes++) {
    if (fault.repair && spoiled && resumes === 0) judge(await runCommand(["repair", folder], setting));
    const ended = await finish(command, folder, engine);
    judge(ended);
    ({ code } = ended);
    if (struck.code !== 0) tally.resumes++;
    for (const id of ended.acknowledged) {
      if (acknowledged.has(id)) {
        tally.lost++;
        complain(`trial ${id} was acknowledged, and trained again`);
      }
      acknowledged.add(id);
    }
  }
  if (code !== 0) complain(`still ends with ${String(code)} after ${mostResumes} attempts`);
  const same = commands[command].files.every(
    (name) =>
      existsSync(join(setting.folder, name)) && readFileSync(join(setting.folder, name)).equals(readFileSync(join(work, from, name))),
  );
  if (!same) {
    tally.differing++;
    complain("the result differs from an uninterrupted run's");
  }
  const left = readdirSync(setting.folder, { recursive: true, encoding: "utf8" }).filter((name) => /\.tmp$|^lock|^checkpoints/.test(name));
  if (left.length > 0) complain(`left behind: ${left.join(", ")}`);
  rmSync(setting.folder, { recursive: true });
}

const chosen = faults.filter(({ kind }) => kind.includes(options.only));
const rounds = Number(options.rounds);
try {
  await writeData();
  for (const engine of new Set(engines)) await reference(engine);
  for (let number = 0; number < rounds; number++) {
    const fault = chosen[number % chosen.length];
    await round(number, fault, randomStream(Number(options.seed), "torture", number));
    if (process.stderr.isTTY) process.stderr.write(`\r${number + 1}/${rounds} `);
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}
const rows = [...tallies].map(([kind, tally]) => [kind, ...[tally.rounds, tally.struck, tally.resumes, tally.lost, tally.differing]]);
const sum = (column: number): number => rows.reduce((total, row) => total + Number(row[column]), 0);
console.log(["fault", "rounds", "struck", "resumes", "trials lost", "results differing"].join(" | "));
for (const row of [...rows, ["all", sum(1), sum(2), sum(3), sum(4), sum(5)]]) console.log(row.join(" | "));
for (const complaint of complaints) console.error(complaint);
process.exitCode = complaints.length === 0 ? 0 : 1;
