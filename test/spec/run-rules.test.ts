/** Which rules a spec is under, and how the plan of one that does not say follows the run that it meets. */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { UserError } from "../../src/errors.ts";
import { hashOf } from "../../src/hash.ts";
import { asWritten, completeSpec, isCompleteSpec, rulesOf, underFirstRules } from "../../src/spec/complete.ts";
import { specDifferences } from "../../src/spec/differences.ts";
import { followRules, type Plan } from "../../src/spec/plan.ts";
import { readPlan } from "../../src/spec/read.ts";
import { specSchema } from "../../src/spec/schema.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder();
const read = (more: string, search = "{confirm: {seeds: 2}}"): Promise<Plan> =>
  readPlan(
    {
      text: `name: x\ndata: {source: moby-dick}\nwidth: {proxy: 16, target: 32}\nsearch: ${search}\n${more}`,
      file: "x.yaml",
      directory: folder,
    },
    join(folder, "cache"),
  );
const codes = async (more: string, search?: string): Promise<readonly string[]> =>
  read(more, search).then(
    () => [],
    (error: unknown) => (error instanceof UserError ? error.diagnostics.map(({ code }) => code) : [String(error)]),
  );

describe("a spec's rules", () => {
  it("are the last unless it says otherwise, and the first have no key", async () => {
    const [now, said, first] = await Promise.all([read(""), read("rules: 2\n"), read("rules: 1\n")]);
    expect([rulesOf(now.spec), rulesOf(said.spec), rulesOf(first.spec)]).toEqual([2, 2, 1]);
    expect(now.specHash).toBe(said.specHash);
    expect(Object.keys(first.spec)).not.toContain("rules");
    expect([now.spec.search.confirm, first.spec.search.confirm]).toEqual([
      { top: 4, seeds: 2, most_seeds: 4 },
      { top: 4, seeds: 2 },
    ]);
    expect(underFirstRules(now.spec)).toEqual(first.spec);
    expect(hashOf(underFirstRules(now.spec))).toBe(first.specHash);
  });
  it("leave a spec of runs begun before there were any as it is", async () => {
    const { spec } = await read("rules: 1\n");
    expect(isCompleteSpec(spec)).toBe(true);
    expect(completeSpec(specSchema.parse(asWritten(spec)))).toEqual(spec);
    // Half of the others' rules is none of them.
    expect(isCompleteSpec({ ...spec, search: { ...spec.search, confirm: { top: 4, seeds: 2, most_seeds: 4 } } })).toBe(false);
    expect(isCompleteSpec({ ...spec, rules: 2 })).toBe(false);
  });
  it("are 1 or 2, and have as many seeds at most as at least", async () => {
    expect(await codes("rules: 3\n")).toHaveLength(1);
    expect(await codes("", "{confirm: {seeds: 3, most_seeds: 2}}")).toEqual(["fewer_seeds_at_most"]);
    expect(await codes("rules: 1\n", "{confirm: {seeds: 3, most_seeds: 6}}")).toEqual(["no_racing"]);
    expect(await codes("", "{confirm: {seeds: 3, most_seeds: 3}}")).toEqual([]);
  });
});

describe("a plan that meets a run", () => {
  it("follows its rules, unless the spec's author has chosen others", async () => {
    const [now, said, first] = await Promise.all([read(""), read("rules: 2\n"), read("rules: 1\n")]);
    expect(followRules(now, first.spec)).toMatchObject({ spec: first.spec, specHash: first.specHash });
    for (const begun of [undefined, now.spec]) expect(followRules(now, begun)).toBe(now);
    expect(followRules(said, first.spec)).toBe(said);
    expect(followRules(first, now.spec)).toBe(first);
  });
  it("may grow in the seeds that racing adds, and does not grow into other rules", async () => {
    const [few, more, first] = await Promise.all([read(""), read("", "{confirm: {seeds: 2, most_seeds: 8}}"), read("rules: 1\n")]);
    expect(specDifferences(few.spec, more.spec)).toEqual([{ path: "search.confirm.most_seeds", before: "4", after: "8", extending: true }]);
    expect(specDifferences(more.spec, few.spec)).toMatchObject([{ extending: false }]);
    expect(specDifferences(first.spec, few.spec)).toMatchObject([{ path: "rules", extending: false }, { extending: false }]);
  });
});
