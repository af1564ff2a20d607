/** The program that a worker compiled last: the stacks of a sweep share it. */
import type { Engine, Executable } from "../engines/engine.ts";
import { dumpProgram } from "../program/dump.ts";
import type { Compile } from "../training/train.ts";

/** Keeps one executable until another program is asked for; whoever uses it leaves its disposal to this. */
export class LastCompiled {
  private last: { readonly key: string; readonly executable: Executable } | undefined;

  readonly with =
    (engine: Engine): Compile =>
    async (program, options) => {
      const key = `${engine.name} ${JSON.stringify(options)} ${dumpProgram(program)}`;
      if (this.last?.key !== key) {
        const before = this.last;
        this.last = undefined;
        await before?.executable.dispose();
        this.last = { key, executable: await engine.compile(program, options) };
      }
      return this.last.executable;
    };
}
