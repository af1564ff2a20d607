/** Placeholder: Sobol' points. */
export { sobolDesigner as gpDesigner } from "./sobol.ts";
