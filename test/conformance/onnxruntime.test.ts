import { engineHost } from "../../src/cache.ts";
import { engines } from "../../src/engines/registry.ts";
import { engineConformance } from "./suite.ts";

engineConformance("onnxruntime", () => engines.onnxruntime.open(engineHost()), { threaded: true });
