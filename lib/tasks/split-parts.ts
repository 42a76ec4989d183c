/** The split that the data prescribes: protocol `parts`. */
import { partsOf } from '../data/parts.js';
import type { SetName } from '../data/parts.js';
import { invalid } from '../foundation/check.js';
import type { Dataset, TaskSet } from '../foundation/contract.js';
import { random } from '../foundation/random.js';
import { sortByTime } from '../foundation/sort-by-time.js';
import { divide } from './build.js';
import { groupByKey } from './key.js';
import { DEFAULT_SEED } from './options.js';
import { emptyError, resolveTaskOptions } from './resolve-options.js';
import type { PartSplit } from './option-types.js';
import type { ResolvedTaskOptions } from './resolve-options.js';
import { TaskSetBuilder } from './task-set-builder.js';
import type { Split } from './split.js';

const SETS = ['train', 'validation', 'test'] as const;

/** What the parts say, checked against the options that go with it. */
export interface PartForm {
  /** The set of each id of a part. */
  setOf: (SetName | undefined)[];
  hasSets: boolean;
  hasRoles: boolean;
}

export function partForm(dataset: Dataset, { validation = 0, test = 0, tasks }: PartSplit): PartForm {
  const parts = partsOf(dataset.part!);
  const names = dataset.part!.vocabulary.values.slice(1);
  const setOf = parts.map(({ set }) => set);
  const hasSets = setOf.some((set) => set !== undefined);
  const hasRoles = parts.some(({ role }) => role !== undefined);
  if (hasSets && !setOf.includes('train'))
    throw invalid('interactions.part', 'no part is trained on', names, 'train among them');
  if (hasSets && test > 0)
    throw invalid('split.test', 'does not go with parts that say what is tested', test, 'no fraction');
  if (setOf.includes('validation') && validation > 0)
    throw invalid('split.validation', 'does not go with a validation part', validation, 'no fraction');
  if (hasRoles !== (tasks.query === 'part'))
    throw invalid(
      'split.tasks.query',
      hasRoles ? 'is what the parts say' : 'is not what the parts say',
      tasks.query,
      hasRoles ? "'part'" : 'a number of rows or { fraction }, of training tasks',
    );
  if ((validation > 0 || (!hasSets && test > 0)) && tasks.by === 'item')
    throw invalid('split.tasks.by', 'does not go with users that are drawn', 'item', "by: 'user', or no fraction");
  return { setOf, hasSets, hasRoles };
}

/** Users that may be drawn for validation and test: those with a row that is trained on. */
export function drawnUsers(dataset: Dataset, { setOf, hasSets }: PartForm): Uint8Array {
  const isThere = new Uint8Array(dataset.users.rows);
  const ids = dataset.part!.data;
  for (let row = 0; row < dataset.size; row++)
    if (!hasSets || setOf[ids[row]] === 'train') isThere[dataset.user[row]] = 1;
  return isThere;
}

/** @param held by user row: 0, or the number of the set in `names` that the user was drawn for */
export function splitParts(dataset: Dataset, options: PartSplit, names: readonly string[], held: Uint8Array): Split {
  const form = partForm(dataset, options);
  const { seed = DEFAULT_SEED } = options;
  const tasks = resolveTaskOptions(dataset, options.tasks, 'split.tasks', seed);
  const ids = dataset.part!.data;
  const set = Array.from(ids, (id, row): SetName => {
    const own = form.setOf[id] ?? 'train';
    return own === 'train' ? ((names[held[dataset.user[row]]] ?? 'train') as SetName) : own;
  });
  const rows: Record<string, Int32Array> = {};
  const sets: Record<string, TaskSet> = {};
  const notes: string[] = [];
  for (const name of SETS) {
    const own = Int32Array.from(set.flatMap((other, row) => (other === name ? [row] : [])));
    if (own.length === 0) continue;
    rows[name] = own;
    const isPrescribed = form.hasSets && !form.hasRoles && form.setOf.includes(name) && name !== 'train';
    const later = isPrescribed ? laterTasks(dataset, tasks, set, name, notes) : undefined;
    if (later !== undefined) {
      sets[name] = later;
      continue;
    }
    const { notes: more, ...built } = divide(dataset, { ...tasks, rows: own }, name);
    sets[name] = built;
    notes.push(...more.map((note) => `${name}: ${note}`));
  }
  if (rows['train'] === undefined)
    throw emptyError('split.validation', 'leaves nothing to train on', 'a smaller fraction');
  return { sets, trainRows: rows['train'], rows, notes };
}

/** Tasks that ask for their rows of one part, from those of the parts before; undefined where no task has any before. */
function laterTasks(
  dataset: Dataset,
  options: ResolvedTaskOptions,
  set: readonly SetName[],
  name: SetName,
  notes: string[],
): TaskSet | undefined {
  const { order, offsets, names, plural } = groupByKey(dataset, options.by, undefined);
  const builder = new TaskSetBuilder();
  let [cold, few] = [0, 0];
  for (let key = 1; key < names.length; key++) {
    const group = order.subarray(offsets[key], offsets[key + 1]);
    const rows = options.order === 'time' ? sortByTime(group, dataset.time!) : group;
    const query = rows.filter((row) => set[row] === name);
    let support = rows.filter((row) => SETS.indexOf(set[row]) < SETS.indexOf(name));
    if (query.length === 0) continue;
    if (support.length === 0) cold++;
    else if (support.length < options.leastSupport || query.length + support.length < options.min) few++;
    else {
      if (support.length > options.support) {
        if (options.order !== 'time') random(options.seed, 'tasks', key).sample(support, options.support);
        support = support.subarray(support.length - options.support);
        if (options.order !== 'time') support.sort();
      }
      builder.add(names[key], options.by === 'user' ? key : 0, support, query);
    }
  }
  const tasks = builder.build(dataset);
  if (tasks.size === 0 && few === 0) return undefined;
  if (tasks.size === 0)
    throw emptyError(`split.${name}`, `no task has rows enough before its part ${name}`, 'fewer shots');
  if (few > 0) notes.push(`${name}: ${few} ${plural} left out: too few rows before`);
  if (cold > 0)
    notes.push(`${name}: ${cold} ${plural} left out: no row before; split.protocol 'users' holds whole users out`);
  return { ...tasks, prescribed: true };
}
