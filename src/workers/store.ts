/**
 * Where a worker keeps what it trains. A store is spoken to in keys and pieces of bytes
 * only, so that it need not be a folder of this machine; the one here is a run folder.
 * When something is kept is keeping.ts's business.
 */
import { loadCheckpoint, saveCheckpoint } from "../run/checkpoints.ts";
import { OpenFolder, type FolderHandle } from "../run/open-folder.ts";
import { saveWeights } from "../run/weights.ts";
import type { Checkpoint, Training } from "../training/train.ts";
import type { KeptAs } from "./tasks.ts";

/** Each throws a UserError of kind io when what the store lies in is gone. */
export interface Store {
  /** The newest checkpoint under a key that is whole and of this training; `note` is told of each that is not. */
  newest(key: Pick<KeptAs, "stem" | "identity">, training: Training, note: (text: string) => void): Checkpoint | undefined;
  /** Keeps a checkpoint, all or nothing, beside the one before it. */
  save(stem: KeptAs["stem"], step: number, pieces: Iterable<Uint8Array>): void;
  /** Keeps the final weights of the run's target, all or nothing. */
  saveWeights(pieces: Iterable<Uint8Array>): void;
}

/** A run folder as a store. */
const folderStore = (run: OpenFolder): Store => ({
  newest: ({ stem, identity }, training, note) => loadCheckpoint(run, stem, identity, training, note),
  save: (stem, step, pieces) => saveCheckpoint(run, stem, step, pieces),
  saveWeights: (pieces) => saveWeights(run, pieces),
});

/** The store of the last task, held open as long as tasks are of the same. */
export class HeldStore {
  private held: { readonly folder: OpenFolder; readonly identity: string } | undefined;

  /** What the handle is of; throws a UserError of kind io when that is no longer in its place. */
  at(handle: FolderHandle): Store {
    if (this.held?.identity !== handle.identity) {
      this.held?.folder.close();
      this.held = undefined;
      this.held = { folder: OpenFolder.reopen(handle), identity: handle.identity };
    }
    return folderStore(this.held.folder);
  }
}
