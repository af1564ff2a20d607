/**
 * Runs a sweep: whatever its agenda has due, in stacks, so many at a time, until nothing is left
 * or somebody wants a stop. How a stack is trained and what comes of it is stack-runner.ts's
 * business; which trials are stacked is packing.ts's.
 */
import pLimit from "p-limit";
import type { Arrangement } from "../placement/arrangements.ts";
import { checkpointedStacks, cleanCheckpoints, type CheckpointedStack } from "../run/checkpoints.ts";
import type { RunState } from "../run/state.ts";
import { memberKey } from "../run/trial.ts";
import type { CompleteSpec } from "../spec/complete.ts";
import type { Plan } from "../spec/plan.ts";
import { isRaced, plannedWork, racedIn, stepsMade, type Agenda, type Due } from "./agenda.ts";
import type { SweepEvent } from "./events.ts";
import { StackQueue } from "./queue.ts";
import { freshSeedsOf } from "./select.ts";
import { StackRunner, type RunnerContext } from "./stack-runner.ts";

/** The run that a sweep is of, and what it is trained with. */
export interface SweepContext extends RunnerContext {
  readonly state: RunState;
}

/** What is to be trained, and what is open. */
export type SweepAgenda = Pick<Agenda, "due" | "undecided">;

/** Trains whatever the agenda has due until there is nothing left or a stop was asked for; returns whether that is the end of the sweep. Rejects as StackRunner.run does; no stack begins after that. */
export async function runSweep(plan: Plan, agenda: SweepAgenda, arrangement: Arrangement, context: SweepContext): Promise<boolean> {
  const begun = checkpointedStacks(context.folder);
  const scheduler = new Scheduler(plan, agenda, arrangement, context, begun);
  // An agenda knows what is open of what it was asked for.
  if (plan.spec.search.early_stopping !== null) scheduler.due();
  context.emit(startedEvent(plan, arrangement.jobs, context.state, begun, scheduler.heedStopped().length));
  await scheduler.run();
  return scheduler.due().length === 0;
}

/** Decides which stack is trained next, and keeps as many in training as there may be. */
class Scheduler {
  private readonly spec: CompleteSpec;
  private readonly earlyStopping: CompleteSpec["search"]["early_stopping"];
  private readonly agenda: SweepAgenda;
  private readonly jobs: number;
  private readonly context: SweepContext;
  private readonly isRaced: ReturnType<typeof isRaced>;
  private readonly queue: StackQueue;
  private readonly runner: StackRunner;
  /** Trainings that racing has added and that were told of, by their keys. */
  private readonly told = new Set<string>();
  /** Trials that go no further than their rungs. */
  private readonly stopped = new Set<number>();
  /** What has ended the sweep before its end. */
  private failure: { readonly error: unknown } | undefined;

  constructor(
    plan: Plan,
    agenda: SweepAgenda,
    { jobs, threads, stackSize }: Arrangement,
    context: SweepContext,
    begun: readonly CheckpointedStack[],
  ) {
    this.spec = plan.spec;
    this.earlyStopping = plan.spec.search.early_stopping;
    this.agenda = agenda;
    this.jobs = jobs;
    this.context = context;
    this.queue = new StackQueue(context.state, stackSize, begun);
    this.isRaced = isRaced(plan.spec);
    this.runner = new StackRunner(plan, threads, context);
  }

  /** What the agenda has to be trained now. */
  due(): readonly Due[] {
    return this.agenda.due(this.context.state, (trial) => this.runner.hasGivenUp(trial));
  }

  /** Trials of which it was not known before that they go no further than the rungs that they have reached. */
  heedStopped(): readonly number[] {
    if (this.earlyStopping === null) return [];
    const open = new Set(this.agenda.undecided(this.context.state, (trial) => this.runner.hasGivenUp(trial)).map(({ id }) => id));
    const stopped = this.context.state.trials.filter(({ id, status }) => status === "stopped" && !open.has(id) && !this.stopped.has(id));
    for (const { id } of stopped) this.stopped.add(id);
    return stopped.map(({ id }) => id);
  }

  /** Keeps as many stacks in training as are to be at a time, until none is left or a stop was asked for. */
  async run(): Promise<void> {
    const limit = pLimit(this.jobs);
    const turns = new Set<Promise<void>>();
    this.refill();
    for (;;) {
      // Whatever else is in training is not waited for.
      if (this.failure !== undefined) throw this.failure.error;
      while (limit.pendingCount < this.queue.length && !this.isOver) {
        const turn = limit(() => this.takeTurn()).finally(() => turns.delete(turn));
        turns.add(turn);
      }
      if (turns.size === 0) return;
      await Promise.race(turns);
    }
  }

  /** Whether no further stack is to begin. */
  private get isOver(): boolean {
    return this.failure !== undefined || this.context.stopping();
  }

  /** Asks the agenda again. */
  private refill(): void {
    const due = this.due();
    // Trials that were stopped early leave checkpoints, which nobody needs once it is decided who goes on.
    if (this.earlyStopping !== null && this.queue.isIdle) {
      const wanted = new Set(due.map(({ trial }) => memberKey(trial)));
      cleanCheckpoints(this.context.folder, (member) => wanted.has(memberKey(member)));
    }
    this.tell(due);
    const stopped = this.heedStopped();
    if (stopped.length > 0) this.context.emit({ event: "trials_stopped", trials: stopped });
    this.queue.refill(due);
  }

  /** Tells of seeds that racing has added. */
  private tell(due: readonly Due[]): void {
    const added = due.map(({ trial }) => trial).filter((trial) => this.isRaced(trial) && !this.told.has(memberKey(trial)));
    for (const trial of added) this.told.add(memberKey(trial));
    for (const seed of new Set(added.map((trial) => trial.seed))) {
      const trials = added.filter((trial) => trial.seed === seed).map(({ id }) => id);
      this.context.emit({ event: "seed_added", trials, seed, seeds: freshSeedsOf(this.spec)?.seeds.indexOf(seed) ?? 0 });
    }
  }

  /** Trains the stack that comes next, and asks the agenda again if its results can say more than what waits. */
  private async takeTurn(): Promise<void> {
    const stack = this.isOver ? undefined : this.queue.take();
    if (stack === undefined) return;
    try {
      await this.runner.run(stack);
    } catch (error) {
      this.failure ??= { error };
      return;
    }
    this.queue.putDown(stack);
    // With asha each result may say who goes on, and those come first.
    const isAsha = this.earlyStopping?.method === "asha";
    if (!this.context.stopping() && (this.queue.length === 0 || isAsha)) this.refill();
  }
}

/** What there is to do, and how much of it was done before; `stopped` trials go no further than their rungs. */
function startedEvent({ spec }: Plan, jobs: number, state: RunState, begun: readonly CheckpointedStack[], stopped: number): SweepEvent {
  const { trials } = state;
  const { trialSteps, madeSteps: resumedSteps } = stepsMade(spec, state, begun);
  const completed = trials.flatMap(({ id, seed, status, validationLoss }) =>
    seed === spec.seed && status === "completed" && validationLoss !== null ? [{ trial: id, validationLoss }] : [],
  );
  return {
    event: "sweep_started",
    name: spec.name,
    trials: plannedWork(spec).trainings + racedIn(spec, state),
    resumed: trials.filter(({ status }) => status !== "failed" && status !== "stopped").length + stopped,
    jobs,
    steps: spec.train.steps,
    trialSteps,
    resumedSteps,
    seed: spec.seed,
    ...(completed.length > 0 && { best: completed.reduce((best, each) => (each.validationLoss < best.validationLoss ? each : best)) }),
    ...(spec.search.early_stopping !== null && { rungs: spec.search.early_stopping.rungs }),
  };
}
