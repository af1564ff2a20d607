/** Puts damaged lines of a run's journal aside, so that the rest can be gone on with; how is run/repair.ts's business. */
import { option, UserError } from "../errors.ts";
import { holdFolder } from "../run/hold.ts";
import { repairJournal, type Repair } from "../run/repair.ts";
import { openRunFolder } from "../run/run-folder.ts";

/** Repairs the run in a folder; throws a UserError when its journal does not say any longer what run it is. */
export function repair(path: string): Repair {
  const held = holdFolder(openRunFolder(path));
  try {
    const repaired = repairJournal(held.folder);
    if (repaired.hasRun) return repaired;
  } finally {
    held.close();
  }
  throw new UserError(
    {
      code: "run_record_damaged",
      message: `${path}: the journal's first record, which says what run this is, is damaged; nothing was changed`,
      hint: `restore the journal, or begin in another folder with ${option("out")}`,
    },
    "disagreement",
  );
}
