import { engineHost } from "../../src/cli/files.ts";
import { engines } from "../../src/engines/registry.ts";
import { engineConformance } from "./suite.ts";

engineConformance("tfjs", () => engines.tfjs.open(engineHost()));
