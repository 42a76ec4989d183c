/** The split that a learner was trained with, on whatever its data has become. */
import type { Dataset, TaskSet } from '../foundation/contract.js';
import { invalid } from '../foundation/check.js';
import { originOf } from '../tasks/split.js';
import type { Split } from '../tasks/split.js';
import { restoreSplit, storeSplit } from '../tasks/stored-split.js';
import type { RestoredSplit } from '../tasks/stored-split.js';
import { Learner } from './learner.js';

/**
 * Divides a dataset as the learner's was divided: users of its test set are in the test set, on the rows that they had, whatever
 * was appended since and in whatever order the ids are now. Rows, users and items that are newer are in no set; `notes` names how
 * many.
 *
 * ```ts
 * const learner = await loadLearner('model.safetensors');
 * const { sets, trainRows, notes } = splitAsTrained(await openDataset(source), learner);
 * const { table } = await evaluate(learner, sets.test);
 * ```
 *
 * @throws {InnerloopError} INVALID_OPTION if the learner keeps no split; INVALID_DATA if the dataset has none of its users
 */
export function splitAsTrained(dataset: Dataset, learner: Learner): RestoredSplit {
  if (!(learner instanceof Learner)) throw invalid('learner', 'not a learner', learner, 'what createLearner returned');
  const { split, catalog } = learner;
  if (split === undefined || catalog === undefined)
    throw invalid(
      'learner',
      'keeps no split',
      learner.algorithm.name,
      'a learner trained on a set that splitTasks made',
    );
  return restoreSplit(dataset, split, catalog);
}

/** @internal Has the learner keep how its data was divided. Nothing is kept of tasks that no split has made, or of other data. */
export function keepSplit(learner: Learner, made: Split | TaskSet): void {
  const origin = originOf(made);
  if (origin === undefined || learner.split !== undefined) return;
  if (learner.catalog !== undefined && learner.catalog.items.keys !== origin.dataset.items.keys) return;
  learner.split = storeSplit(origin);
}
