/** Placeholder: Sobol' points. */
export { sobolDesigner as tpeDesigner } from "./sobol.ts";
