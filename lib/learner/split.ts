/** The split that a learner was trained with, on whatever its data has become. */
import type { Dataset, TaskSet } from '../foundation/contract.js';
import { invalid } from '../foundation/check.js';
import { originOf } from '../tasks/split.js';
import type { Split } from '../tasks/split.js';
import { extendSplit, restoreSplit, storeSplit, trainedUsers } from '../tasks/stored-split.js';
import type { GrownSplit, RestoredSplit, StoredSplit } from '../tasks/stored-split.js';
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
  const { split, catalog } = kept(learner);
  return restoreSplit(dataset, split, catalog);
}

/**
 * Divides data that has grown for a learner to go on with it: users of its test set stay in the test set, with all rows of today,
 * and so on; users and items that are new are trained on. Training on `sets.train` keeps this split with the learner.
 *
 * ```ts
 * const learner = await loadLearner('model.safetensors');
 * const { sets } = growSplit(await openDataset(source), learner);
 * for await (const report of train(learner, sets.train, { epochs: 4, validation: sets.validation })) console.log(report);
 * ```
 *
 * @throws {InnerloopError} as {@link splitAsTrained}
 */
export function growSplit(dataset: Dataset, learner: Learner): GrownSplit {
  const { split, catalog } = kept(learner);
  return extendSplit(dataset, split, catalog);
}

function kept(learner: Learner): { split: StoredSplit; catalog: Dataset } {
  if (!(learner instanceof Learner)) throw invalid('learner', 'not a learner', learner, 'what createLearner returned');
  const { split, catalog } = learner;
  if (split === undefined || catalog === undefined)
    throw invalid(
      'learner',
      'keeps no split',
      learner.algorithm.name,
      'a learner trained on a set that splitTasks made',
    );
  return { split, catalog };
}

/**
 * @internal Has the learner keep how its data was divided: that of its first training, or one that extends it. Nothing is kept of
 * tasks that no split has made, or of other data.
 */
export function keepSplit(learner: Learner, made: Split | TaskSet): void {
  const origin = originOf(made);
  if (origin === undefined || learner.split !== origin.extended) return;
  const { keys } = origin.dataset.items;
  const own = learner.catalog?.items.keys;
  // Where a split extends another, the catalog has the items in the same order, unless others have been put there meanwhile.
  const isSame =
    own === undefined ||
    own === keys ||
    (origin.extended !== undefined &&
      own.values.length === keys.values.length &&
      own.values.every((text, id) => text === keys.values[id]));
  if (isSame) learner.split = storeSplit(origin);
}

/** Users that a note names. */
const NAMED = 5;

/** @internal What is to be said of tasks that another split than the learner's has made: who of them it was trained on. */
export function trainedNotes({ split }: Learner, tasks: Pick<TaskSet, 'dataset' | 'users'>): string[] {
  if (split === undefined || originOf(tasks)?.membership === split.membership) return [];
  const trained = trainedUsers(tasks, split);
  if (trained.size === 0) return [];
  const ids = [...trained].slice(0, NAMED).map((row) => tasks.dataset.users.keys.values[row]);
  const more = trained.size > NAMED ? ' …' : '';
  return [
    `${trained.size} of ${new Set(tasks.users).size} users were trained on (${ids.join(', ')}${more}): of new users this says little. splitAsTrained divides the data as the learner's was.`,
  ];
}
