/**
 * Loss against learning rate at several sizes (widths or depths): per size the optimum with its
 * interval, and the family that they make. What they say of transfer is family.ts's business.
 */
import { lowest, mean } from "../statistics.ts";
import { judgementOf } from "./family.ts";
import { curveOptimum } from "./optimum.ts";
import type { AnyCurves, Curves, Family, Optimum } from "./records.ts";

type Curve = Family["curves"][number];
type Points = Curve["points"];

/** Where a curve is lowest: from its seeds together, or as the grid has it where they do not tell; null where every rate diverged. */
function optimumOf(points: Points): Optimum | null {
  const log2Rates = points.map(({ learning_rate: rate }) => Math.log2(rate));
  const means = points.map(({ losses }) => mean(losses.map((loss) => loss ?? Infinity)));
  const loss = lowest(means);
  if (loss === Infinity) return null;
  const index = means.indexOf(loss);
  const isAtEnd = index === 0 ? "low" : index === points.length - 1 ? "high" : null;
  const unsure = { log2_learning_rate: log2Rates[index], low: null, high: null, loss, edge: isAtEnd } as const;
  // One seed does not tell what another would have said.
  const best =
    points[0].losses.length === 1
      ? undefined
      : curveOptimum(
          log2Rates,
          points.map(({ losses }) => losses),
        );
  if (best === undefined) return unsure;
  const { value, low, high, open } = best;
  return { log2_learning_rate: value, low, high, loss, edge: open === null ? null : open === "lower" ? "low" : "high" };
}

/** Everything that is said of one parametrization; sizes in ascending order. */
export function familyOf(parametrization: string, curves: readonly Pick<Curve, "size" | "points">[]): Family {
  const sorted = [...curves].sort((a, b) => a.size - b.size).map(({ size, points }) => ({ size, points, optimum: optimumOf(points) }));
  return { parametrization, ...judgementOf(sorted), curves: sorted };
}

/** A record of this version, whichever version the file has: what is said follows from the losses. */
export function currentCurves(record: AnyCurves): Curves {
  if (record.version === 3) return record;
  const families = record.families.map(({ parametrization, curves }) => familyOf(parametrization, curves));
  return { ...record, version: 3, verdict: null, families };
}
