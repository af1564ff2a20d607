/**
 * The README's first command on the real book: the proxies and the target land in
 * the regime that is known for them, so the program learns and transfers.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { run } from "../support/cli.ts";
import { temporaryFolder } from "../support/folder.ts";
import { itInCi } from "../support/long.ts";

/** Nats per character of Moby Dick: a model that knows only how frequent each character, or pair of characters, is. */
const [unigram, bigram] = [3.08, 2.4];

itInCi("quickstart: the winner learns, and the target is clearly below it", { timeout: 300_000 }, async () => {
  const folder = temporaryFolder();
  const config = fileURLToPath(new URL("../../configs/quickstart.yaml", import.meta.url));
  const swept = await run(["sweep", config, "--out", "run", "-q"], folder);
  expect(swept.code, swept.stderr).toBe(0);
  const transferred = await run(["transfer", "--best", "run/results.json", "-q"], folder);
  expect(transferred.code, transferred.stderr).toBe(0);

  const read = (name: string): unknown => JSON.parse(readFileSync(join(folder, "run", name), "utf8"));
  const { best, trials } = read("results.json") as { best: { validation_loss: number }; trials: { validation_loss: number }[] };
  const target = read("transfer.json") as {
    validation_loss: number;
    proxy_validation_loss: number;
    curve: { step: number; validation_loss: number }[];
  };
  expect(best.validation_loss).toBeLessThan(2.1);
  expect(best.validation_loss).toBeGreaterThan(1.9);
  for (const trial of trials) expect(trial.validation_loss).toBeLessThan(bigram);
  expect(target.proxy_validation_loss).toBe(best.validation_loss);
  expect(target.validation_loss).toBeLessThan(1.92);
  expect(target.validation_loss).toBeGreaterThan(1.75);
  expect(target.validation_loss).toBeLessThan(best.validation_loss - 0.1);
  expect(target.curve[0]?.validation_loss).toBeGreaterThan(unigram);
});
