/** How often the interval of a hyperparameter's importance holds its share over a whole grid and all seeds. */
import { importances } from "../../src/search/analysis.ts";
import { mean } from "../../src/statistics.ts";
import { sweepOf } from "./replays.ts";
import { divergedNats, type Landscape } from "./truth.ts";

/** Whether each interval of one replay holds the truth, and how wide it is, as shares of the ranks' variance. */
export function importanceReplay(
  landscape: Landscape,
  trials: number,
  replay: number,
): readonly { readonly isRight: boolean; readonly width: number }[] {
  const { grid } = landscape;
  const truth = truthOf(landscape);
  // Only sweeps over the whole range have the importance that the whole grid has.
  const { first } = sweepOf(landscape, trials, 2 * replay);
  return importances(grid.space, first, replay).map(({ name, low, high }) => {
    const share = truth.get(name) ?? NaN;
    return { isRight: share >= low && share <= high, width: high - low };
  });
}

const known = new Map<string, ReadonlyMap<string, number>>();
function truthOf({ grid, cells }: Landscape): ReadonlyMap<string, number> {
  const before = known.get(grid.name);
  if (before !== undefined) return before;
  const whole = cells.map((point, cell) => ({ point, loss: mean(grid.losses[cell].map((loss) => loss ?? divergedNats)) }));
  const truth = new Map(importances(grid.space, whole, 1).map(({ name, value }) => [name, value]));
  known.set(grid.name, truth);
  return truth;
}
