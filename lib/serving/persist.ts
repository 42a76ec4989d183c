import './adapt.js';
import type { Algorithm } from '../meta/algorithm.js';
import { restoredAlgorithm, savedAlgorithm } from '../algorithms/check.js';
import type { SavedAlgorithm } from '../algorithms/check.js';
import { checkInteger, checkNumber, checkObject, checkString, invalid } from '../foundation/check.js';
import type { Dataset, InputSpec, ModelSpec, Parameters, Precision } from '../foundation/contract.js';
import { readWhole, writeDurable } from '../files/durable.js';
import { resolveDevice } from '../foundation/device.js';
import { InnerloopError } from '../foundation/errors.js';
import { restoreTexts, storeTexts } from '../files/texts.js';
import type { TextEncoding } from '../files/texts.js';
import { createLearner, Learner } from '../learner/learner.js';
import { captureState, restoreState, stateFrom, stateTensors } from '../learner/state.js';
import { runManifest, setRunManifest } from '../learner/manifest.js';
import type { RunManifest } from '../learner/manifest.js';
import { lossOf } from '../model/losses.js';
import { defineModel } from '../model/model.js';
import type { ModelOptions } from '../model/model.js';
import type { Optimizer } from '../meta/outer-update.js';
import type { RowOptions, RowRules, RowState } from '../batch/row-rules.js';
import { adam, sgd } from '../meta/outer-update.js';
import { decodeSealed, encodeSealed } from '../files/sealed.js';
import type { NamedArray } from '../files/safetensors.js';
import { restoreCatalog, storeCatalog } from '../data/catalog-file.js';
import type { StoredCatalog } from '../data/catalog-file.js';
import { readsUsers } from './support.js';
import { restoredSplit, storedSplit } from './split-file.js';
import type { SplitHeader } from './split-file.js';

const FORMAT = 'innerloop-learner';
const VERSION = '3';
/** @internal What to do about a file of version 0.1, which knows too little of its data to be served alike. */
export const REMEDY = 'a model trained and saved by this version: train it again';

/** What is stored as JSON; the numbers are tensors. */
interface Manifest {
  /** Vocabularies are tensors too: of each input, how its texts are encoded. */
  model: ModelSpec;
  vocabularies: Record<string, TextEncoding>;
  precision: Precision;
  algorithm: SavedAlgorithm;
  optimizer: Optimizer;
  seed: number;
  /** The rest of the row state are the tensors `rows.itemBias` and `rows.seen`; `rows.counts` are interactions by item. */
  rows: RowRules & { mean: number; range?: { min: number; max: number } };
  /** σ² of the ratings, where it is known. */
  noise?: number;
  /** Epochs of training done. */
  epochs: number;
  split?: SplitHeader;
  catalog: StoredCatalog | null;
  /** How the learner was trained; null if it was not. */
  run: RunManifest | null;
}
/**
 * Saves a learner as one safetensors file: parameters by name (readable by any safetensors reader), inner rates, the
 * optimizer's state, ids and other texts, and as metadata the model, the algorithm and the rest of the catalog, all under one
 * digest. Users are left out where the model reads nothing of them. The file is replaced as a whole or not at all.
 *
 * @throws {InnerloopError} IO
 */
export async function saveLearner(learner: Learner, path: string): Promise<void> {
  checkIsLearner(learner);
  checkString(path, 'path');
  await writeDurable(path, encodeLearner(learner));
}

/** @internal The bytes of its file, in chunks. */
export function encodeLearner(learner: Learner): Uint8Array[] {
  const { model, algorithm, optimizer, seed, rowRules, rowState, catalog } = learner;
  const tensors: Record<string, NamedArray> = stateTensors(captureState(learner), 'state.');
  for (const [name, tensor] of Object.entries(learner.parameters())) tensors[`parameters.${name}`] = tensor;
  for (const [name, data] of [
    ['itemBias', rowState.itemBias],
    ['seen', rowState.seen],
    ['counts', countsOf(learner)],
  ] as const) {
    if (data !== undefined) tensors[`rows.${name}`] = { shape: [data.length], data };
  }
  const { spec, vocabularies } = storeVocabularies(model.spec, tensors);
  const manifest: Manifest = {
    model: spec,
    vocabularies,
    precision: model.precision,
    algorithm: savedAlgorithm(algorithm),
    optimizer,
    seed,
    rows: { ...rowRules, mean: rowState.mean, ...(rowState.range && { range: rowState.range }) },
    epochs: learner.epochs,
    ...(learner.split && { split: storedSplit(learner.split, tensors) }),
    ...(learner.noiseVariance !== undefined && { noise: learner.noiseVariance }),
    catalog: catalog === undefined ? null : storeCatalog(catalog, tensors, readsUsers(learner)),
    run: runManifest(learner) ?? null,
  };
  const metadata = {
    format: FORMAT,
    version: VERSION,
    manifest: JSON.stringify(manifest),
  };
  return encodeSealed(tensors, metadata);
}

function checkIsLearner(learner: unknown): void {
  if (!(learner instanceof Learner)) throw invalid('learner', 'not a learner', learner, 'what createLearner returned');
}

/** Options of `loadLearner`. */
export interface LoadOptions extends Pick<ModelOptions, 'threads' | 'device'> {
  /** What `defineAlgorithm` returned for the learner: needed where it has a graph, which no file holds. */
  algorithm?: Algorithm;
}

/**
 * Loads a learner that {@link saveLearner} wrote, ready to adapt, evaluate or train on.
 *
 * @throws {InnerloopError} INVALID_OPTION, UNKNOWN_OPTION; MISSING_FILE, IO; MODEL_FILE for a file that is damaged or something else
 */
export async function loadLearner(path: string, options: LoadOptions = {}): Promise<Learner> {
  checkString(path, 'path');
  checkObject(options, 'options', ['threads', 'device', 'algorithm']);
  if (options.threads !== undefined) checkInteger(options.threads, 'options.threads', 1, 1024);
  // Not a fault of the file.
  if (options.device !== undefined) resolveDevice(options.device, 'options.device');
  return decodeLearner(await readWhole(path), path, options);
}

/** @internal The learner in the bytes of a file. */
export function decodeLearner(bytes: Uint8Array, path: string, options: LoadOptions = {}): Learner {
  const { tensors, metadata } = decodeSealed(bytes, path, REMEDY);
  if (metadata['format'] !== FORMAT || metadata['version'] !== VERSION) {
    throw new InnerloopError('MODEL_FILE', 'not a learner of this version', {
      field: path,
      value: metadata['format'],
      expected: `${FORMAT} version ${VERSION}`,
    });
  }
  try {
    const manifest = JSON.parse(metadata['manifest'] ?? '') as Manifest;
    restoreVocabularies(manifest, tensors);
    const { threads, device } = options;
    const model = defineModel(manifest.model, { precision: manifest.precision, threads, device });
    const learner = createLearner({
      model,
      algorithm: restoredAlgorithm(manifest.algorithm, options.algorithm),
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
    checkInteger(manifest.epochs, 'epochs', 0, 2 ** 40);
    learner.epochs = manifest.epochs;
    learner.split = manifest.split && restoredSplit(manifest.split, tensors, path);
    if (manifest.catalog !== null) {
      learner.catalog = restoreCatalog(manifest.catalog, tensors);
      learner.rowState = restoreRows(manifest, learner.catalog, tensors, path);
      learner.itemCounts = restoreCounts(learner.catalog, tensors, path);
      learner.bind(learner.catalog);
    }
    if (manifest.run) setRunManifest(learner, manifest.run);
    return learner;
  } catch (cause) {
    if (cause instanceof InnerloopError && (cause.code === 'MODEL_FILE' || cause.code === 'UNSUPPORTED')) throw cause;
    if (cause instanceof InnerloopError && cause.field === 'options.algorithm') throw cause;
    throw new InnerloopError('MODEL_FILE', `damaged: ${(cause as Error).message}`, { field: path, cause });
  }
}

/** The model without its vocabularies, which become tensors. */
function storeVocabularies(
  spec: ModelSpec,
  tensors: Record<string, NamedArray>,
): { spec: ModelSpec; vocabularies: Record<string, TextEncoding> } {
  const vocabularies: Record<string, TextEncoding> = {};
  const inputs = spec.inputs.map((input): InputSpec => {
    if (input.kind === 'dense' || input.vocabulary === undefined) return input;
    const { vocabulary, ...rest } = input;
    vocabularies[input.name] = storeTexts(tensors, `texts.model.${input.name}`, vocabulary);
    return rest;
  });
  return { spec: { ...spec, inputs }, vocabularies };
}

function restoreVocabularies({ model, vocabularies }: Manifest, tensors: Record<string, NamedArray>): void {
  for (const input of model.inputs) {
    if (input.kind === 'dense' || !Object.hasOwn(vocabularies, input.name)) continue;
    input.vocabulary = restoreTexts(tensors, `texts.model.${input.name}`, vocabularies[input.name]);
  }
}

function rowOptions({ rows: { center, damping, negatives }, model: { head } }: Manifest): RowOptions {
  return { center, damping, ...(lossOf(head).ranks && { negatives }) };
}

function restoreRows(
  { rows: { mean, range } }: Manifest,
  { items }: Dataset,
  tensors: Record<string, NamedArray>,
  field: string,
): RowState {
  const [itemBias, seen] = [tensors['rows.itemBias']?.data, tensors['rows.seen']?.data];
  const fits =
    Number.isFinite(mean) &&
    (range === undefined || (Number.isFinite(range.min) && Number.isFinite(range.max) && range.min <= range.max)) &&
    (itemBias === undefined ||
      (itemBias instanceof Float64Array && itemBias.length === items.rows && itemBias.every(Number.isFinite))) &&
    (seen === undefined || (seen instanceof Uint8Array && seen.length === items.rows));
  if (!fits) throw new InnerloopError('MODEL_FILE', 'what it holds of rows is damaged', { field });
  return { mean, itemBias, seen, range };
}

/** Of every item; one that was added since training has none. */
function countsOf({ itemCounts, catalog }: Learner): Int32Array | undefined {
  if (itemCounts === undefined || catalog === undefined || itemCounts.length === catalog.items.rows) return itemCounts;
  const counts = new Int32Array(catalog.items.rows);
  counts.set(itemCounts.subarray(0, counts.length));
  return counts;
}

function restoreCounts({ items }: Dataset, tensors: Record<string, NamedArray>, field: string): Int32Array | undefined {
  const counts = tensors['rows.counts']?.data;
  if (counts === undefined || (counts instanceof Int32Array && counts.length === items.rows)) return counts;
  throw new InnerloopError('MODEL_FILE', 'its counts of interactions are damaged', { field });
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
