import { checkBatch } from '../batch/batch.js';
import type { TaskBatch } from '../batch/batch.js';
import { invalid } from '../foundation/check.js';
import { resolveOptions } from '../foundation/options.js';
import { Learner } from '../learner/learner.js';
import { TRAIN_STEP_OPTIONS } from './options.js';
import type { TrainStepOptions } from './option-types.js';

export type { TrainStepOptions };

/** What `trainStep` returns. */
export interface TrainStepReport {
  /** Mean over the tasks of the query loss after adaptation, before the step. */
  loss: number;
  /** The query loss of each task. */
  taskLosses: Float64Array;
  /** Euclidean norm of the meta-gradient, before clipping. */
  gradientNorm: number;
}

/**
 * One outer step on tasks that are not a dataset's: a simulator's, a generator's. The learner's optimizer follows the
 * meta-gradient of its algorithm on the batch; `train` is a loop of this over a task set.
 *
 * ```ts
 * const { loss } = await trainStep(learner, packTasks(learner.model, tasks));
 * ```
 *
 * @param batch made by `packTasks` for the learner's model. `reptile` learns from the support rows, `joint` from the query rows
 * @throws {InnerloopError} INVALID_OPTION, UNKNOWN_OPTION; INVALID_OPTION too while `train` runs on the learner; DIVERGED naming the task (the parameters
 * stay); ABORTED
 */
export async function trainStep(
  learner: Learner,
  batch: TaskBatch,
  options: TrainStepOptions = {},
): Promise<TrainStepReport> {
  if (!(learner instanceof Learner)) throw invalid('learner', 'not a learner', learner, 'what createLearner returned');
  checkBatch(learner.model, batch);
  const { progress, signal } = resolveOptions(options, 'options', TRAIN_STEP_OPTIONS);
  learner.checkIdle();
  const { loss, taskLosses, gradientNorm } = await learner.step(
    { native: batch.native },
    progress,
    signal,
    (task) => `task ${task}`,
  );
  return { loss, taskLosses, gradientNorm };
}
