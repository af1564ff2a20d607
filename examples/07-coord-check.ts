/** Whether activations and updates keep their size over the width: what μP promises, tested on the spec's own model. */
import { coordCheck } from "mutransfer";
import { spec } from "./spec.ts";

const { record } = await coordCheck(spec, { out: "runs/check", sizes: [32, 64, 128, 256], seeds: 2, steps: 4 });
console.log(`${record.verdict}: ${record.coordinates.length} coordinates`);
