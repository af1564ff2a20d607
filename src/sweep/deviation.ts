/** How far a single seed's loss lies from its trial's mean, as confirmations tell. */
import { pooledDeviation } from "../statistics.ts";
import type { Confirmed } from "./confirmed.ts";

/** Standard deviation of a single seed's loss, pooled over the trials that have all of theirs; null with one seed each. */
export const seedDeviation = (confirmed: readonly Pick<Confirmed, "validationLosses">[]): number | null =>
  pooledDeviation(
    confirmed.map(({ validationLosses }) => (validationLosses.includes(null) ? [] : validationLosses.filter((loss) => loss !== null))),
  );
