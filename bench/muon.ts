/**
 * `node dist/bench/muon.js`: what Muon costs beside AdamW on the native engine, at two numbers of tokens a step: the two take
 * turns, one process for each core, and what counts is the median over rounds. Also how fast its products are, as a share of what
 * a product that stays in a core's cache reaches in the same round.
 */
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { flopsPerStep, muonFlops } from "../src/model/counts.ts";
import { Contestant, contestant, cores, median, ours } from "./contest.ts";
import { modelOf, muonWork, productEdge, type Work } from "./work.ts";

const { values: options } = parseArgs({
  options: { rounds: { type: "string", default: "9" }, seconds: { type: "string", default: "3" }, width: { type: "string" } },
});
const work: Work = { ...muonWork, ...(options.width !== undefined && { width: Number(options.width) }) };
console.error(`${cpus()[0]?.model.trim()}, ${cores} cores, Node ${process.version}; width ${work.width}, llama-like`);

async function started(name: string, each: Work): Promise<Contestant> {
  const command = name === "product" ? () => [process.execPath, contestant, "product"] : ours("native");
  const contestants = await Contestant.start(name, command, each);
  if (typeof contestants === "string") throw new Error(contestants);
  return contestants;
}

console.log(
  "| tokens a step | AdamW, ms a step | Muon, ms a step | Muon ÷ AdamW | of the step's FLOPs | its products, of a product's rate |",
);
console.log("| ---: | ---: | ---: | ---: | ---: | ---: |");
for (const tokens of [1024, 16_384]) {
  const here = { ...work, batch: tokens / work.context };
  const [adamw, muon, product] = [
    await started("adamw", here),
    await started("muon", { ...here, optimizer: "muon" }),
    await started("product", here),
  ];
  const rounds: { readonly adamw: number; readonly muon: number; readonly product: number }[] = [];
  for (let round = 0; round < Number(options.rounds); round++) {
    const seconds = Number(options.seconds);
    rounds.push({ adamw: await adamw.run(seconds), muon: await muon.run(seconds), product: await product.run(seconds / 3) });
  }
  for (const each of [adamw, muon, product]) await each.stop();
  const flops = muonFlops(modelOf(here));
  const rate = median(rounds.map((each) => flops / (each.muon - each.adamw) / ((2 * productEdge ** 3) / each.product)));
  const cells = [
    String(tokens),
    (1000 * median(rounds.map((each) => each.adamw))).toPrecision(3),
    (1000 * median(rounds.map((each) => each.muon))).toPrecision(3),
    median(rounds.map((each) => each.muon / each.adamw)).toFixed(3),
    `${((100 * flops) / flopsPerStep(modelOf(here), here.batch)).toFixed(1)} %`,
    `${(100 * rate).toFixed(0)} %`,
  ];
  console.log(`| ${cells.join(" | ")} |`);
}
