import type { Algorithm } from './algorithm.js';
import { gradientAlgorithm } from './algorithm.js';
import type { BagColumn, CategoricalColumn, Column, Dataset, DenseColumn, FeatureTable, ModelSpec, Parameters, Precision } from './contract.js';
import { readWhole, writeDurable } from './durable.js';
import { InnerloopError } from './errors.js';
import { createVocabulary } from './interactions/vocabulary.js';
import { createLearner } from './learner.js';
import type { Learner } from './learner.js';
import { captureState, restoreState, stateFrom, stateTensors } from './learner-state.js';
import { defineModel } from './model.js';
import type { Optimizer } from './outer-update.js';
import { adam, sgd } from './outer-update.js';
import { decodeSafetensors, encodeSafetensors } from './safetensors.js';
import type { NamedArray } from './safetensors.js';

const FORMAT = 'innerloop-learner';
const VERSION = '1';

/** What is stored as JSON; the numbers are tensors. */
interface Manifest {
  model: ModelSpec;
  precision: Precision;
  algorithm: Algorithm;
  optimizer: Optimizer;
  seed: number;
  labelOffset: number;
  catalog: { users: StoredTable; items: StoredTable; context: StoredTable } | null;
}
interface StoredTable {
  rows: number;
  keys: readonly string[];
  columns: { name: string; kind: Column['kind']; size?: number; vocabulary?: readonly string[] }[];
}

/**
 * Saves a learner as one safetensors file: parameters by name (readable by any safetensors reader), inner rates, the
 * optimizer's state, and as metadata the model, vocabularies, algorithm and the catalog of items. The file is replaced as a
 * whole or not at all.
 *
 * @throws {InnerloopError} IO
 */
export async function saveLearner(learner: Learner, path: string): Promise<void> {
  const { model, algorithm, optimizer, seed, labelOffset, catalog } = learner;
  const tensors: Record<string, NamedArray> = stateTensors(captureState(learner), 'state.');
  for (const [name, tensor] of Object.entries(learner.parameters())) tensors[`parameters.${name}`] = tensor;
  const manifest: Manifest = {
    model: model.spec,
    precision: model.precision,
    algorithm,
    optimizer,
    seed,
    labelOffset,
    catalog: catalog === undefined ? null : { users: store('users', catalog.users, tensors), items: store('items', catalog.items, tensors), context: store('context', catalog.context, tensors) },
  };
  await writeDurable(path, encodeSafetensors(tensors, { format: FORMAT, version: VERSION, manifest: JSON.stringify(manifest) }));
}

/**
 * Loads a learner that {@link saveLearner} wrote, ready to adapt, evaluate or train on.
 *
 * @param options threads: as in `defineModel`
 * @throws {InnerloopError} MISSING_FILE, IO, MODEL_FILE for a file that is damaged or something else
 */
export async function loadLearner(path: string, options: { threads?: number } = {}): Promise<Learner> {
  const { tensors, metadata } = decodeSafetensors(await readWhole(path), path);
  if (metadata['format'] !== FORMAT || metadata['version'] !== VERSION) {
    throw new InnerloopError('MODEL_FILE', 'not a learner of this version', { field: path, value: metadata['format'], expected: `${FORMAT} version ${VERSION}` });
  }
  try {
    const manifest = JSON.parse(metadata['manifest'] ?? '') as Manifest;
    const model = defineModel(manifest.model, { precision: manifest.precision, threads: options.threads });
    const learner = createLearner({
      model,
      algorithm: checkedAlgorithm(manifest.algorithm),
      optimizer: checkedOptimizer(manifest.optimizer),
      seed: manifest.seed,
      parameters: parametersFrom(model.tensors.map(({ name }) => name), tensors),
    });
    const state = stateFrom(tensors, 'state.', manifest.precision, path);
    if (state === undefined) throw new InnerloopError('MODEL_FILE', 'holds no state', { field: path });
    restoreState(learner, state, path);
    if (!Number.isFinite(manifest.labelOffset)) throw new InnerloopError('MODEL_FILE', 'bad label offset', { field: path, value: manifest.labelOffset });
    learner.labelOffset = manifest.labelOffset;
    if (manifest.catalog !== null) {
      learner.catalog = restoreCatalog(manifest.catalog, tensors);
      learner.bind(learner.catalog);
    }
    return learner;
  } catch (cause) {
    if (cause instanceof InnerloopError && (cause.code === 'MODEL_FILE' || cause.code === 'UNSUPPORTED')) throw cause;
    throw new InnerloopError('MODEL_FILE', `damaged: ${(cause as Error).message}`, { field: path, cause });
  }
}

function checkedAlgorithm({ name, steps, learningRate, adapt, rates, shrinkage, order, direction, solver }: Algorithm): Algorithm {
  return gradientAlgorithm(name, { steps, learningRate, adapt: adapt as 'all' | string[], rates, shrinkage }, { order, direction, solver });
}

function checkedOptimizer({ name, learningRate, schedule, weightDecay, l2, clipNorm, beta1, beta2, epsilon, momentum }: Optimizer): Optimizer {
  const common = { learningRate, schedule, weightDecay, l2, ...(clipNorm === undefined ? {} : { clipNorm }) };
  return name === 'adam' ? adam({ ...common, beta1, beta2, epsilon }) : sgd({ ...common, momentum });
}

function parametersFrom(names: string[], tensors: Record<string, NamedArray>): Parameters {
  const parameters: Parameters = {};
  for (const name of names) {
    const tensor = tensors[`parameters.${name}`];
    if (tensor !== undefined) parameters[name] = tensor as Parameters[string];
  }
  return parameters;
}

function store(side: string, table: FeatureTable, tensors: Record<string, NamedArray>): StoredTable {
  const columns = table.columns.map((column) => {
    const { name, kind, data } = column;
    tensors[`${side}.${name}`] = { shape: [data.length], data };
    if (kind === 'dense') return { name, kind, size: column.size };
    if (kind === 'bag') tensors[`${side}.${name}.offsets`] = { shape: [column.offsets.length], data: column.offsets };
    return { name, kind, vocabulary: column.vocabulary.values };
  });
  return { rows: table.rows, keys: table.keys.values, columns };
}

function restoreCatalog(catalog: NonNullable<Manifest['catalog']>, tensors: Record<string, NamedArray>): Dataset {
  const none = new Int32Array(0);
  return {
    size: 1,
    user: none,
    item: none,
    label: new Float32Array(0),
    time: undefined,
    users: restoreTable('users', catalog.users, tensors),
    items: restoreTable('items', catalog.items, tensors),
    context: restoreTable('context', catalog.context, tensors),
    notes: [],
  };
}

/** Ids, lengths and offsets are checked again when the table is bound to the model. */
function restoreTable(side: string, { rows, keys, columns }: StoredTable, tensors: Record<string, NamedArray>): FeatureTable {
  const damaged = (name: string) => new InnerloopError('MODEL_FILE', 'a column is missing or does not fit its table', { field: `${side}.${name}` });
  const array = <A>(name: string, type: new (n: number) => A): A => {
    const data = tensors[`${side}.${name}`]?.data;
    if (!(data instanceof type)) throw damaged(name);
    return data;
  };
  if (!Array.isArray(keys) || (keys.length !== rows && keys.length > 1)) throw damaged('keys');
  const restored = columns.map(({ name, kind, size, vocabulary }): Column => {
    if (kind === 'dense') {
      const column: DenseColumn = { kind, name, size: size ?? 0, data: array(name, Float32Array) };
      if (column.data.length !== rows * column.size) throw damaged(name);
      return column;
    }
    const texts = vocabulary ?? [];
    const data = array(name, Int32Array);
    if (data.some((id) => id < 0 || id >= texts.length)) throw damaged(name);
    if (kind === 'bag') {
      const column: BagColumn = { kind, name, vocabulary: createVocabulary(texts), offsets: array(`${name}.offsets`, Int32Array), data };
      const { offsets } = column;
      if (offsets.length !== rows + 1 || offsets[rows] !== data.length || offsets.some((at, r) => at < 0 || (r > 0 && at < offsets[r - 1]!))) throw damaged(name);
      return column;
    }
    if (kind !== 'categorical' || data.length !== rows) throw damaged(name);
    const column: CategoricalColumn = { kind, name, vocabulary: createVocabulary(texts), data };
    return column;
  });
  return { rows, keys: createVocabulary(keys), columns: restored };
}
