/** Every combination of the domains' values, the last name varying fastest. */
import { sequence, type Designer, type DesignerOptions } from "./designer.ts";
import { everyPoint } from "./space.ts";

/** The designer that specs call `grid`. */
export function gridDesigner({ space }: DesignerOptions): Designer {
  const points = everyPoint(space);
  return sequence(space, (trial) => points[trial]);
}
