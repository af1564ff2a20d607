/** Which engine a command uses: the one that was named, or the fastest that runs here. */
import { EngineUnavailable, engineNames, type EngineName, type Precision } from "../engines/engine.ts";
import { engines } from "../engines/registry.ts";
import { engineHost } from "./files.ts";

/**
 * The engine to use when none was named: the first, from the fastest on, that can be opened.
 * `say` is told why a faster one was passed over. The slowest is not tried: whoever opens it reports what is wrong.
 */
export async function chooseEngine(wanted: EngineName | undefined, say: (text: string) => void): Promise<EngineName> {
  if (wanted !== undefined) return wanted;
  const last = engineNames[engineNames.length - 1];
  for (const name of engineNames.slice(0, -1)) {
    try {
      await engines[name].open(engineHost());
      return name;
    } catch (error) {
      if (!(error instanceof EngineUnavailable)) throw error;
      say(`using ${last}: ${error.message}`);
    }
  }
  return last;
}

/** What the operands of matrix products are: float32, or what `mixed` rounds them to with this engine on this machine. */
export async function productsOf(name: EngineName, precision: Precision): Promise<string> {
  if (precision === "float32") return precision;
  try {
    return (await engines[name].open(engineHost())).mixedProducts ?? "float32";
  } catch (error) {
    if (error instanceof EngineUnavailable) return "float32"; // the worker that opens it reports it
    throw error;
  }
}

/** What to say of a precision that this machine cannot have, if anything. */
export function precisionNotes(precision: Precision, products: string): readonly string[] {
  return precision === "mixed" && products === "float32"
    ? ["precision mixed: this engine has no faster products on this machine, so everything is float32"]
    : [];
}
