import type { Dataset } from '../foundation/contract.js';
import { InnerloopError } from '../foundation/errors.js';
import { contextTable, gather, gatherColumn } from './columns.js';
import { mergeDuplicates } from './duplicates.js';
import type { MergedValues } from './duplicates.js';
import { partsOf } from './parts.js';
import { keepCore, withoutUnused } from './k-core.js';
import { DEFAULT_DUPLICATES } from './source.js';
import type { DataRules, DuplicateRule } from './source.js';

/** Interactions in file order, before {@link DataRules} apply. A missing label or time is NaN, a missing user or item has id 0. */
export type RawInteractions = Omit<Dataset, 'size' | 'notes'>;

/** The number of interactions that each rule left out. */
export type Dropped = Record<'id' | 'time' | 'label' | 'duplicate', number>;

interface Kept {
  keep: Uint8Array;
  values: MergedValues;
  dropped: Dropped;
}

/** Applies the rules that need the rows of only one user at a time: those for missing values and for duplicates. */
function applyRules(raw: RawInteractions, rules: DataRules, hasLabel: boolean): Kept {
  const rows = raw.user.length;
  const values = {
    label: raw.label.slice(),
    // There are counts only if a column of them is mapped, or if the rule `sum` counts repeated rows below.
    count: raw.count?.slice(),
    weight: raw.weight?.slice(),
  };
  const keep = new Uint8Array(rows).fill(1);
  const drop = (isDropped: (row: number) => boolean): number => {
    let dropped = 0;
    for (let i = 0; i < rows; i++) {
      if (keep[i] === 0 || !isDropped(i)) continue;
      keep[i] = 0;
      dropped++;
    }
    return dropped;
  };
  const dropped = {
    id: drop((i) => raw.user[i] === 0 || raw.item[i] === 0),
    time: drop((i) => Number.isNaN(raw.time?.[i])),
    label: drop((i) => Number.isNaN(raw.label[i])),
    duplicate: 0,
  };
  const rule = duplicateRule(rules, hasLabel);
  if (rule === 'sum') values.count ??= new Float32Array(rows).fill(1);
  dropped.duplicate = mergeDuplicates(raw, values, keep, rule, hasLabel);
  return { keep, values, dropped };
}

/** Without a label column every label is 1, so summing repeated rows into a count loses no information. */
const duplicateRule = ({ duplicates }: DataRules, hasLabel: boolean): DuplicateRule =>
  duplicates ?? (hasLabel ? DEFAULT_DUPLICATES : 'sum');

/** Adds notes on what the rules left out. @param rows number of rows in the source */
export function noteDropped(
  { id, time, label, duplicate }: Dropped,
  rows: number,
  rules: DataRules,
  hasLabel: boolean,
  notes: string[],
): void {
  const say = (dropped: number, what: string) => {
    if (dropped > 0) notes.push(`${dropped} of ${rows} interactions ${what} and were dropped`);
  };
  say(id, 'have no user or no item');
  say(time, 'have no time');
  say(label, 'have no label');
  if (duplicate === 0) return;
  const rule = duplicateRule(rules, hasLabel);
  const what = {
    mean: 'merged into the last one with the mean label',
    sum: `merged into the last one with the sum of their ${hasLabel ? 'labels and ' : ''}counts`,
  };
  const done = rule === 'mean' || rule === 'sum' ? what[rule] : `dropped; the ${rule} one was kept`;
  notes.push(`${duplicate} of ${rows} interactions repeat a user and an item and were ${done}`);
}

/** The interactions of some users by the rules for missing values and duplicates; what is left keeps its order. */
export function assembleUsers(
  raw: RawInteractions,
  rules: DataRules,
  hasLabel: boolean,
): { dataset: Dataset; dropped: Dropped } {
  const kept = applyRules(raw, rules, hasLabel);
  return { dataset: remaining(raw, kept, []), dropped: kept.dropped };
}

/**
 * Applies the rules for missing values, duplicates, unseen items and the k-core, in this order; what remains keeps the file
 * order.
 */
export function assemble(raw: RawInteractions, rules: DataRules & { hasLabel?: boolean }, notes: string[]): Dataset {
  const rows = raw.user.length;
  const { hasLabel = true } = rules;
  const kept = applyRules(raw, rules, hasLabel);
  const { keep } = kept;
  noteDropped(kept.dropped, rows, rules, hasLabel, notes);
  if (rules.unseenItems === 'drop') {
    const seen = itemsOfTraining(raw, keep);
    let dropped = 0;
    for (let i = 0; i < rows; i++) {
      if (keep[i] === 0 || seen[raw.item[i]] === 1) continue;
      keep[i] = 0;
      dropped++;
    }
    if (dropped > 0)
      notes.push(
        `${dropped} of ${rows} interactions are outside the training part and of items that it does not have and were dropped`,
      );
  }
  if (rules.kCore !== undefined) keepCore(raw, keep, rules.kCore, notes);
  const dataset = remaining(raw, kept, notes);
  if (dataset.size === 0)
    throw new InnerloopError('EMPTY_DATA', 'no interaction is left', {
      field: 'interactions',
      value: notes,
      expected: 'at least one row that has a label and meets the rules',
    });
  return rules.kCore === undefined ? dataset : withoutUnused(dataset);
}

/** The dataset of the interactions that are kept; columns are copied only if some interactions are left out. */
function remaining(raw: RawInteractions, { keep, values }: Kept, notes: string[]): Dataset {
  const size = keep.reduce((sum, kept) => sum + kept, 0);
  const { user, item, time, part, users, items, context } = raw;
  const { label, count, weight } = values;
  if (size === keep.length)
    return { size, user, item, label, time, ...optional({ weight, count, part }), users, items, context, notes };
  const kept = new Int32Array(size);
  for (let i = 0, k = 0; i < keep.length; i++) if (keep[i] === 1) kept[k++] = i;
  const at = <T extends Float32Array | Float64Array>(all: T | undefined) =>
    all === undefined ? undefined : gather(all, kept);
  return {
    size,
    user: gather(user, kept),
    item: gather(item, kept),
    label: gather(label, kept),
    time: at(time),
    ...optional({ weight: at(weight), count: at(count), part: part && { ...part, data: gather(part.data, kept) } }),
    users,
    items,
    context: contextTable(
      context.columns.map((column) => gatherColumn(column, kept)),
      size,
    ),
    notes,
  };
}

/** The object without its undefined entries. */
function optional<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never;
}

function itemsOfTraining({ part, item, items }: RawInteractions, keep: Uint8Array): Uint8Array {
  const isTraining = partsOf(part!).map(
    ({ set, role }) => (set ?? (role === 'support' ? 'train' : 'test')) === 'train',
  );
  isTraining[0] = false;
  if (!isTraining.includes(true))
    throw new InnerloopError('INVALID_DATA', 'no part of the split is called train or support', {
      field: 'interactions.part',
      value: part!.vocabulary.values.slice(1),
      expected: 'train or support among them, for unseenItems',
    });
  const seen = new Uint8Array(items.rows);
  for (let i = 0; i < item.length; i++) if (keep[i] === 1 && isTraining[part!.data[i]]) seen[item[i]] = 1;
  return seen;
}
