/** Binds a model's inputs to the columns of a dataset: which column, and which ids mean what. */
import { checkDataset, checkRowsOf } from '../foundation/check-data.js';
import type { NativeColumn, NativeFrame } from '../foundation/addon.js';
import { nativeError } from '../foundation/addon.js';
import { checkArray, checkInteger, invalid } from '../foundation/check.js';
import type {
  BagColumn,
  CategoricalColumn,
  Column,
  Dataset,
  DenseColumn,
  FloatArray,
  InputSpec,
  SequenceColumn,
  Vocabulary,
} from '../foundation/contract.js';
import type { TaskStatistics } from '../foundation/task-source-types.js';
import { createVocabulary, idsInSteps } from '../data/vocabulary.js';
import { atOnce, mapped, NUMBER, pieces } from '../foundation/steps.js';
import type { Steps } from '../foundation/steps.js';
import { InnerloopError, suggesting } from '../foundation/errors.js';
import { checkOption, resolveOptions } from '../foundation/options.js';
import type { OptionTable } from '../foundation/options.js';
import { INPUT_OPTIONS } from '../model/inputs.js';
import type { Model } from '../model/model.js';
import type { InputChoice } from './option-types.js';

export type { InputChoice };

const { dim, maxLength } = INPUT_OPTIONS.sequence;
/** @internal */
export const INPUT_CHOICE = {
  name: {
    kind: 'text',
    required: true,
    doc: 'A column of the users, items or interactions, or user or item for the id itself.',
  },
  dim: {
    kind: dim.kind,
    min: dim.min,
    max: dim.max,
    doc: 'Embedding width; required for ids, categorical, bag and sequence columns; of dense ones only factorization machines have one.',
  },
  init: INPUT_OPTIONS.categorical.init,
  minCount: {
    kind: 'integer',
    min: 1,
    default: 1,
    doc: 'Of user and item, and of sequences: an id in fewer of the rows that training sees is read as “unknown”, and shares its embedding.',
  },
  pooling: { ...INPUT_OPTIONS.bag.pooling, doc: 'Bags only: how the embeddings of a row’s ids are combined.' },
  maxLength: {
    kind: maxLength.kind,
    min: maxLength.min,
    max: maxLength.max,
    defaultDoc: 'as many as the column has',
    doc: 'Sequences only: at most so many ids, the most recent ones.',
  },
} as const satisfies OptionTable;

/** Sides of a frame: what the row numbers of a batch point into. Ids have sides of their own, so that they can be hidden. */
export const SIDES = { users: 0, items: 1, interactions: 2, userId: 3, itemId: 4 } as const;
const ID_INPUTS = { user: SIDES.userId, item: SIDES.itemId } as const;

/**
 * Input specifications for columns of a dataset, with their vocabularies. The ids of users and items, and of the items in
 * sequences, get the vocabulary of those that occur in `rows`; all others share id 0, "unknown".
 *
 * ```ts
 * const inputs = describeInputs(dataset, [{ name: 'item', dim: 16 }, { name: 'genres', dim: 8 }], split.trainRows);
 * ```
 *
 * @param rows interactions that training may see, or the statistics of tasks that are not in memory
 * @throws {InnerloopError} MISSING_COLUMN, INVALID_OPTION, UNKNOWN_OPTION
 */
export function describeInputs(
  dataset: Dataset,
  choices: readonly InputChoice[],
  rows: Int32Array | TaskStatistics,
): InputSpec[] {
  checkDataset(dataset, 'dataset');
  if (isStatistics(rows)) checkCounts(dataset, rows);
  else checkRowsOf(dataset, rows, 'rows');
  checkArray(choices, 'inputs', 'input choices');
  return choices.map((choice: unknown, i) => {
    const field = `inputs[${i}]`;
    resolveOptions(choice, field, INPUT_CHOICE);
    const { name, dim, pooling, maxLength, init, minCount } = choice as InputChoice;
    const start = init === undefined ? {} : { init };
    if (name === 'user' || name === 'item') {
      checkOption(dim, `${field}.dim`, INPUT_CHOICE.dim);
      const vocabulary = seenIds(dataset, name, rows, minCount);
      return { name, kind: 'categorical', cardinality: vocabulary.length, dim: dim!, ...start, vocabulary };
    }
    const { column } = findColumn(dataset, name, `${field}.name`);
    if (column.kind === 'dense') {
      if (init !== undefined)
        throw invalid(`${field}.init`, 'is of embeddings, which a dense input has not', init, 'none');
      refuseMinCount(minCount, field, 'a dense column');
      return { name, kind: 'dense', size: column.size, ...(dim === undefined ? {} : { dim }) };
    }
    checkOption(dim, `${field}.dim`, INPUT_CHOICE.dim);
    if (column.kind === 'sequence') {
      if (maxLength !== undefined) checkInteger(maxLength, `${field}.maxLength`, 1, column.maxLength);
      const vocabulary = seenIds(dataset, 'item', rows, minCount);
      return {
        name,
        kind: 'sequence',
        cardinality: vocabulary.length,
        dim: dim!,
        maxLength: maxLength ?? column.maxLength,
        ...start,
        vocabulary,
      };
    }
    refuseMinCount(minCount, field, `a ${column.kind} column, whose own minCount is in the data`);
    const vocabulary = [...column.vocabulary.values];
    if (column.kind === 'categorical')
      return { name, kind: 'categorical', cardinality: vocabulary.length, dim: dim!, ...start, vocabulary };
    return {
      name,
      kind: 'bag',
      cardinality: vocabulary.length,
      dim: dim!,
      pooling,
      ...start,
      vocabulary,
    };
  });
}

function refuseMinCount(minCount: number | undefined, field: string, of: string): void {
  if (minCount !== undefined && minCount !== 1)
    throw invalid(`${field}.minCount`, `means nothing of ${of}`, minCount, 'none: it is of ids of users and items');
}

const isStatistics = (rows: Int32Array | TaskStatistics): rows is TaskStatistics =>
  typeof rows === 'object' && rows !== null && 'itemRows' in rows;

function checkCounts({ users, items }: Dataset, { userRows, itemRows }: TaskStatistics): void {
  if (userRows.length !== users.rows || itemRows.length !== items.rows)
    throw invalid('rows', 'statistics of other tables', itemRows.length, `counts of ${items.rows} rows of items`);
}

/** The ids of users or items that occur in `rows` so often, after "unknown". */
function seenIds(dataset: Dataset, name: 'user' | 'item', rows: Int32Array | TaskStatistics, minCount = 1): string[] {
  const table = name === 'user' ? dataset.users : dataset.items;
  let counts: Int32Array;
  if (isStatistics(rows)) counts = name === 'user' ? rows.userRows : rows.itemRows;
  else {
    counts = new Int32Array(table.rows);
    const ids = dataset[name];
    for (const row of rows) counts[ids[row]]++;
  }
  return table.keys.values.filter((_, id) => id === 0 || counts[id] >= minCount);
}

function findColumn(dataset: Dataset, name: string, field: string): { column: Column; side: number } {
  const tables = [dataset.users, dataset.items, dataset.context];
  for (const [side, table] of tables.entries()) {
    const column = table.columns.find((c) => c.name === name);
    if (column !== undefined) return { column, side };
  }
  const known = ['user', 'item', ...tables.flatMap((table) => table.columns.map((c) => c.name))];
  throw new InnerloopError('MISSING_COLUMN', suggesting('no such column', name, known), {
    field,
    value: name,
    expected: `one of ${known.join(', ')}`,
  });
}

/** @internal A dataset in the ids of a model. */
export interface BoundDataset {
  dataset: Dataset;
  frame: NativeFrame;
  /** For each user (item) row of the dataset, 1 if the model knows its id. */
  knownUsers: Uint8Array;
  knownItems: Uint8Array;
  sequences: BoundSequence[];
  /** The inputs that columns of users and of interactions are read by, histories apart. */
  features: BoundFeature[];
}

/** @internal An input that a request may bring the values of. */
export interface BoundFeature {
  column: DenseColumn | CategoricalColumn | BagColumn;
  side: number;
  /** Its position among the model's inputs. */
  input: number;
  /** The model's ids of its texts; undefined for a dense one. */
  texts: Vocabulary | undefined;
}

/** @internal A sequence input, for batches that bring their own. */
export interface BoundSequence {
  column: SequenceColumn;
  /** Its position among the model's inputs. */
  input: number;
  maxLength: number;
  /** The model's id of every item row. */
  ids: Int32Array;
}

/** @internal Translates the dataset's columns into the model's vocabularies and copies them to the native core. */
export function bindDataset(model: Model, dataset: Dataset): BoundDataset {
  return atOnce(bindSteps(model, dataset));
}

/** @internal The same in steps, of which the core's copies are the last. */
export function* bindSteps(model: Model, dataset: Dataset): Steps<BoundDataset> {
  const { columns, ...bound } = yield* translateSteps(model, dataset);
  yield;
  const sides = [dataset.users.rows, dataset.items.rows, dataset.size, dataset.users.rows, dataset.items.rows];
  try {
    return { ...bound, dataset, frame: model.ops.createFrame(model.native, { sides, columns }) };
  } catch (error) {
    throw nativeError(error);
  }
}

type Translated = Omit<BoundDataset, 'dataset' | 'frame'> & { columns: NativeColumn[] };

/** @internal The columns that a model's inputs read, in its ids, by input. */
export function translateColumns(model: Model, dataset: Dataset): Translated {
  return atOnce(translateSteps(model, dataset));
}

function* translateSteps(model: Model, dataset: Dataset): Steps<Translated> {
  const knownUsers = new Uint8Array(dataset.users.rows);
  const knownItems = new Uint8Array(dataset.items.rows);
  const sequences: BoundSequence[] = [];
  const features: BoundFeature[] = [];
  const translated = function* (input: InputSpec, i: number): Steps<NativeColumn> {
    const { name } = input;
    if (input.kind !== 'dense' && input.vocabulary === undefined) {
      throw invalid(`model.inputs.${name}.vocabulary`, 'missing', undefined, 'inputs made by describeInputs');
    }
    const own = input.kind === 'dense' ? undefined : createVocabulary(input.vocabulary!);
    if (name === 'user' || name === 'item') {
      const table = name === 'user' ? dataset.users : dataset.items;
      const known = name === 'user' ? knownUsers : knownItems;
      const ids = yield* idsInSteps(own!, table.keys.values);
      yield* mapped(ids, (id, r) => (known[r] = r > 0 && id > 0 ? 1 : 0));
      return { side: ID_INPUTS[name], ids };
    }
    const { column, side } = findColumn(dataset, name, `model.inputs.${name}`);
    if (column.kind !== input.kind) {
      throw invalid(`model.inputs.${name}`, `the dataset's column is ${column.kind}`, column.kind, input.kind);
    }
    if (column.kind !== 'sequence' && side !== SIDES.items) {
      features.push({ column, side, input: i, texts: own });
    }
    if (column.kind === 'dense') {
      if (input.kind === 'dense' && column.size !== input.size)
        throw invalid(`model.inputs.${name}`, 'has another size', column.size, `${input.size}`);
      return { side, dense: yield* floatsOf(model, column.data) };
    }
    const map = yield* idsInSteps(own!, column.vocabulary.values);
    const ids = yield* mapped(column.data, (id) => map[id]);
    if (column.kind === 'categorical') return { side, ids };
    if (column.kind !== 'sequence' || input.kind !== 'sequence') return { side, ids, offsets: column.offsets };
    sequences.push({ column, input: i, maxLength: input.maxLength, ids: map });
    return { side, ...lastIds(ids, column.offsets, input.maxLength) };
  };
  const columns: NativeColumn[] = [];
  for (const [i, input] of model.spec.inputs.entries()) columns.push(yield* translated(input, i));
  return { columns, knownUsers, knownItems, sequences, features };
}

/** Numbers in the model's precision. */
function* floatsOf(model: Model, data: Float32Array): Steps<FloatArray> {
  if (model.precision === 'float32') return data;
  const floats = model.floats(data.length);
  yield* pieces(data.length, (from, to) => floats.set(data.subarray(from, to), from), NUMBER);
  return floats;
}

/** The last `count` ids of every row. */
function lastIds(ids: Int32Array, offsets: Int32Array, count: number): { ids: Int32Array; offsets: Int32Array } {
  const kept = new Int32Array(offsets.length);
  for (let r = 0; r + 1 < offsets.length; r++) kept[r + 1] = kept[r] + Math.min(count, offsets[r + 1] - offsets[r]);
  if (kept[kept.length - 1] === ids.length) return { ids, offsets };
  const last = new Int32Array(kept[kept.length - 1]);
  for (let r = 0; r + 1 < offsets.length; r++)
    last.set(ids.subarray(offsets[r + 1] - (kept[r + 1] - kept[r]), offsets[r + 1]), kept[r]);
  return { ids: last, offsets: kept };
}
