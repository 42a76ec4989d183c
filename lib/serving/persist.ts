import './adapt.js';
import type { Algorithm } from '../meta/algorithm.js';
import { ALGORITHMS } from '../algorithms/registry.js';
import { checkInteger, checkNumber, checkObject } from '../foundation/check.js';
import type {
  BagColumn,
  CategoricalColumn,
  Column,
  Dataset,
  DenseColumn,
  FeatureTable,
  ModelSpec,
  Parameters,
  Precision,
  SequenceColumn,
  Vocabulary,
} from '../foundation/contract.js';
import { unknownName } from '../foundation/check.js';
import { readWhole, writeDurable } from '../files/durable.js';
import { InnerloopError } from '../foundation/errors.js';
import { createVocabulary } from '../data/vocabulary.js';
import { createLearner } from '../learner/learner.js';
import type { Learner } from '../learner/learner.js';
import { captureState, restoreState, stateFrom, stateTensors } from '../learner/state.js';
import { runManifest, setRunManifest } from '../learner/manifest.js';
import type { RunManifest } from '../learner/manifest.js';
import { defineModel } from '../model/model.js';
import type { Optimizer } from '../meta/outer-update.js';
import { isRanking } from '../batch/rows.js';
import type { RowOptions, RowRules, RowState } from '../batch/rows.js';
import { adam, sgd } from '../meta/outer-update.js';
import { checksumOf, decodeSafetensors, encodeSafetensors, verifyChecksum } from '../files/safetensors.js';
import type { NamedArray } from '../files/safetensors.js';

const FORMAT = 'innerloop-learner';
const VERSION = '2';

/** What is stored as JSON; the numbers are tensors. */
interface Manifest {
  model: ModelSpec;
  precision: Precision;
  algorithm: Pick<Algorithm, 'name' | 'options'>;
  optimizer: Optimizer;
  seed: number;
  /** The rest of the row state are the tensors `rows.itemBias` and `rows.seen`. */
  rows: RowRules & { mean: number };
  /** σ² of the ratings, where it is known. */
  noise?: number;
  /** Epochs of training done. */
  epochs: number;
  catalog: { users: StoredTable; items: StoredTable; context: StoredTable } | null;
  /** How the learner was trained; null if it was not. */
  run: RunManifest | null;
}
interface StoredTable {
  rows: number;
  keys: readonly string[];
  columns: ({ name: string; kind: Column['kind']; size?: number; vocabulary?: readonly string[] } & Partial<
    Pick<SequenceColumn, 'maxLength' | 'minLabel' | 'of'>
  >)[];
}

/**
 * Saves a learner as one safetensors file: parameters by name (readable by any safetensors reader), inner rates, the
 * optimizer's state, and as metadata the model, vocabularies, algorithm and the catalog of items. The file is replaced as a
 * whole or not at all.
 *
 * @throws {InnerloopError} IO
 */
export async function saveLearner(learner: Learner, path: string): Promise<void> {
  const { model, algorithm, optimizer, seed, rowRules, rowState, catalog } = learner;
  const tensors: Record<string, NamedArray> = stateTensors(captureState(learner), 'state.');
  for (const [name, tensor] of Object.entries(learner.parameters())) tensors[`parameters.${name}`] = tensor;
  for (const [name, data] of [
    ['itemBias', rowState.itemBias],
    ['seen', rowState.seen],
  ] as const) {
    if (data !== undefined) tensors[`rows.${name}`] = { shape: [data.length], data };
  }
  const manifest: Manifest = {
    model: model.spec,
    precision: model.precision,
    algorithm: { name: algorithm.name, options: algorithm.options },
    optimizer,
    seed,
    rows: { ...rowRules, mean: rowState.mean },
    epochs: learner.epochs,
    ...(learner.noiseVariance !== undefined && { noise: learner.noiseVariance }),
    catalog:
      catalog === undefined
        ? null
        : {
            users: store('users', catalog.users, tensors),
            items: store('items', catalog.items, tensors),
            context: store('context', catalog.context, tensors),
          },
    run: runManifest(learner) ?? null,
  };
  const metadata = {
    format: FORMAT,
    version: VERSION,
    checksum: checksumOf(tensors),
    manifest: JSON.stringify(manifest),
  };
  await writeDurable(path, encodeSafetensors(tensors, metadata));
}

/**
 * Loads a learner that {@link saveLearner} wrote, ready to adapt, evaluate or train on.
 *
 * @param options threads: as in `defineModel`
 * @throws {InnerloopError} INVALID_OPTION, UNKNOWN_OPTION; MISSING_FILE, IO; MODEL_FILE for a file that is damaged or something else
 */
export async function loadLearner(path: string, options: { threads?: number } = {}): Promise<Learner> {
  checkObject(options, 'options', ['threads']);
  if (options.threads !== undefined) checkInteger(options.threads, 'options.threads', 1, 1024);
  const { tensors, metadata } = decodeSafetensors(await readWhole(path), path);
  if (metadata['format'] !== FORMAT || metadata['version'] !== VERSION) {
    throw new InnerloopError('MODEL_FILE', 'not a learner of this version', {
      field: path,
      value: metadata['format'],
      expected: `${FORMAT} version ${VERSION}`,
    });
  }
  verifyChecksum(tensors, metadata['checksum'], path);
  try {
    const manifest = JSON.parse(metadata['manifest'] ?? '') as Manifest;
    const model = defineModel(manifest.model, { precision: manifest.precision, threads: options.threads });
    const learner = createLearner({
      model,
      algorithm: remade(manifest.algorithm),
      optimizer: checkedOptimizer(manifest.optimizer),
      seed: manifest.seed,
      parameters: parametersFrom(tensors),
      rows: rowOptions(manifest),
    });
    const state = stateFrom(tensors, 'state.', manifest.precision, path);
    if (state === undefined) throw new InnerloopError('MODEL_FILE', 'holds no state', { field: path });
    restoreState(learner, state, path);
    if (manifest.noise !== undefined) checkNumber(manifest.noise, 'noise', 0);
    learner.noiseVariance = manifest.noise;
    checkInteger(manifest.epochs, 'epochs', 0);
    learner.epochs = manifest.epochs;
    if (manifest.catalog !== null) {
      learner.catalog = restoreCatalog(manifest.catalog, tensors);
      learner.rowState = restoreRows(manifest, learner.catalog, tensors, path);
      learner.bind(learner.catalog);
    }
    if (manifest.run) setRunManifest(learner, manifest.run);
    return learner;
  } catch (cause) {
    if (cause instanceof InnerloopError && (cause.code === 'MODEL_FILE' || cause.code === 'UNSUPPORTED')) throw cause;
    throw new InnerloopError('MODEL_FILE', `damaged: ${(cause as Error).message}`, { field: path, cause });
  }
}

function rowOptions({ rows: { center, damping, negatives }, model: { head } }: Manifest): RowOptions {
  return { center, damping, ...(isRanking(head.loss) && { negatives }) };
}

function restoreRows(
  { rows: { mean } }: Manifest,
  { items }: Dataset,
  tensors: Record<string, NamedArray>,
  field: string,
): RowState {
  const [itemBias, seen] = [tensors['rows.itemBias']?.data, tensors['rows.seen']?.data];
  const fits =
    Number.isFinite(mean) &&
    (itemBias === undefined ||
      (itemBias instanceof Float64Array && itemBias.length === items.rows && itemBias.every(Number.isFinite))) &&
    (seen === undefined || (seen instanceof Uint8Array && seen.length === items.rows));
  if (!fits) throw new InnerloopError('MODEL_FILE', 'what it holds of rows is damaged', { field });
  return { mean, itemBias: itemBias, seen: seen };
}

function remade({ name, options }: Manifest['algorithm']): Algorithm {
  if (!Object.hasOwn(ALGORITHMS, name))
    throw unknownName('algorithm.name', 'no such algorithm', name, Object.keys(ALGORITHMS));
  return (ALGORITHMS[name as keyof typeof ALGORITHMS] as (options: object) => Algorithm)(options);
}

function checkedOptimizer({
  name,
  learningRate,
  schedule,
  weightDecay,
  l2,
  maxNorm,
  clipNorm,
  beta1,
  beta2,
  epsilon,
  momentum,
}: Optimizer): Optimizer {
  const common = { learningRate, schedule, weightDecay, l2, maxNorm, ...(clipNorm === undefined ? {} : { clipNorm }) };
  return name === 'adam' ? adam({ ...common, beta1, beta2, epsilon }) : sgd({ ...common, momentum });
}

function parametersFrom(tensors: Record<string, NamedArray>): Parameters {
  const prefix = 'parameters.';
  const own = Object.entries(tensors).filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(own.map(([name, tensor]) => [name.slice(prefix.length), tensor as Parameters[string]]));
}

function store(side: string, table: FeatureTable, tensors: Record<string, NamedArray>): StoredTable {
  const columns = table.columns.map((column) => {
    const { name, kind, data } = column;
    // Empty in a catalog: the histories of those to come are their support sets.
    if (kind === 'sequence')
      return { name, kind, maxLength: column.maxLength, minLabel: column.minLabel, of: column.of };
    tensors[`${side}.${name}`] = { shape: [data.length], data };
    if (kind === 'dense') return { name, kind, size: column.size };
    if (kind === 'bag') tensors[`${side}.${name}.offsets`] = { shape: [column.offsets.length], data: column.offsets };
    return { name, kind, vocabulary: column.vocabulary.values };
  });
  return { rows: table.rows, keys: table.keys.values, columns };
}

function restoreCatalog(catalog: NonNullable<Manifest['catalog']>, tensors: Record<string, NamedArray>): Dataset {
  const none = new Int32Array(0);
  const items = restoreTable('items', catalog.items, tensors);
  return {
    size: 1,
    user: none,
    item: none,
    label: new Float32Array(0),
    time: undefined,
    users: restoreTable('users', catalog.users, tensors),
    items,
    context: restoreTable('context', catalog.context, tensors, items.keys),
    notes: [],
  };
}

/** Ids, lengths and offsets are checked again when the table is bound to the model. */
function restoreTable(
  side: string,
  { rows, keys, columns }: StoredTable,
  tensors: Record<string, NamedArray>,
  items?: Vocabulary,
): FeatureTable {
  const damaged = (name: string) =>
    new InnerloopError('MODEL_FILE', 'a column is missing or does not fit its table', { field: `${side}.${name}` });
  const array = <A>(name: string, type: new (n: number) => A): A => {
    const data = tensors[`${side}.${name}`]?.data;
    if (!(data instanceof type)) throw damaged(name);
    return data;
  };
  if (!Array.isArray(keys) || (keys.length !== rows && keys.length > 1)) throw damaged('keys');
  const restored = columns.map(({ name, kind, size, vocabulary, maxLength, minLabel, of }): Column => {
    if (kind === 'sequence') {
      if (
        items === undefined ||
        rows !== 1 ||
        !Number.isInteger(maxLength) ||
        (of !== 'before' && of !== 'support') ||
        (minLabel !== undefined && typeof minLabel !== 'number')
      )
        throw damaged(name);
      return {
        kind,
        name,
        vocabulary: items,
        maxLength: maxLength!,
        minLabel,
        of,
        offsets: new Int32Array(2),
        data: new Int32Array(0),
      };
    }
    if (kind === 'dense') {
      const column: DenseColumn = { kind, name, size: size ?? 0, data: array(name, Float32Array) };
      if (column.data.length !== rows * column.size) throw damaged(name);
      return column;
    }
    const texts = vocabulary ?? [];
    const data = array(name, Int32Array);
    if (data.some((id) => id < 0 || id >= texts.length)) throw damaged(name);
    if (kind === 'bag') {
      const column: BagColumn = {
        kind,
        name,
        vocabulary: createVocabulary(texts),
        offsets: array(`${name}.offsets`, Int32Array),
        data,
      };
      const { offsets } = column;
      if (
        offsets.length !== rows + 1 ||
        offsets[rows] !== data.length ||
        offsets.some((at, r) => at < 0 || (r > 0 && at < offsets[r - 1]))
      )
        throw damaged(name);
      return column;
    }
    if (kind !== 'categorical' || data.length !== rows) throw damaged(name);
    const column: CategoricalColumn = { kind, name, vocabulary: createVocabulary(texts), data };
    return column;
  });
  return { rows, keys: createVocabulary(keys), columns: restored };
}
