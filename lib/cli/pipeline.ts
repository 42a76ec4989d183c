/** From a configuration to data, tasks, a learner and results: the stages that several commands share. */
import { createHash } from 'node:crypto';
import { ALGORITHMS } from '../algorithms/registry.js';
import type { AlgorithmName } from '../algorithms/registry.js';
import type { Algorithm } from '../meta/algorithm.js';
import { fitBaselines } from '../baselines/fit.js';
import type { Baseline } from '../baselines/baseline.js';
import { invalid } from '../foundation/check.js';
import type { BodySpec, Dataset, HeadSpec, InputSpec, TaskSet } from '../foundation/contract.js';
import { evaluate } from '../evaluation/evaluate.js';
import type { Evaluation } from '../evaluation/evaluate.js';
import { InnerloopError, suggesting } from '../foundation/errors.js';
import { describeInputs } from '../batch/features.js';
import { addItemStatistics, ITEM_STATISTICS, openDataset, rowWeights } from '../data/index.js';
import type { DataSource } from '../data/index.js';
import { createLearnerAsync } from '../learner/learner.js';
import type { CreatingOptions } from '../learner/option-types.js';
import type { Ensemble } from '../learner/ensemble.js';
import type { Learner } from '../learner/learner.js';
import { lossOf } from '../model/losses.js';
import { defineModel } from '../model/model.js';
import { OPTIMIZERS } from '../meta/outer-update.js';
import type { Optimizer } from '../meta/outer-update.js';
import { buildTasks, joinTasks, nestedSupport, splitTasks } from '../tasks/index.js';
import type { Split, SplitOptions, TaskOptions } from '../tasks/index.js';
import type { Config } from './config.js';
import { lossSpec } from './config-metrics.js';
import { memberConfigs } from './ensemble.js';
import { defaultCandidates } from '../evaluation/candidates.js';
import type { Candidates } from '../evaluation/candidates.js';
import { standardFor } from '../evaluation/standard.js';
import type { Standard } from '../evaluation/standard.js';
import type { TasksInShort } from '../evaluation/evaluate-source.js';
import { named } from './named.js';

export interface Prepared {
  config: Config;
  dataset: Dataset;
  split: Split;
  /** Names of the split's sets to choose the epoch on. */
  validationNames: string[];
  /** Those sets taken together. */
  validation: TaskSet | undefined;
}

/** Opens the data and divides it. */
export async function prepare(config: Config, signal: AbortSignal): Promise<Prepared> {
  return divide(config, await openData(config, signal));
}

export async function openData(config: Config, signal: AbortSignal): Promise<Dataset> {
  const { data, threads } = config;
  const { baseDirectory, ...source } = data;
  // The library checks what the schema leaves open (exactly one of from and sql, say).
  return named(/^(interactions|users|items|duplicates|missingLabel)\b/, 'data.$&', () =>
    openDataset(source as DataSource, { baseDirectory, threads, signal }),
  );
}

/** Divides opened data; the dataset gets the weights that the configuration asks for. */
export async function divide(
  config: Config,
  dataset: Dataset,
  split: Split = splitTasks(dataset, splitOptions(config)),
): Promise<Prepared> {
  checkOptionsOfData(config);
  const { weights } = config.rows ?? {};
  if (weights !== undefined)
    dataset.weight = await named(/^weights/, 'rows.$&', async () =>
      rowWeights(dataset, { ...weights, rows: split.trainRows }),
    );
  addInputs(config, dataset, split.trainRows);
  const validationNames = chooseValidation(config, split);
  await addShots(config, split, validationNames);
  const validation =
    validationNames.length === 0 ? undefined : joinTasks(validationNames.map((name) => split.sets[name]));
  const { refit } = config.training;
  if (validation === undefined && (refit || config.evaluation.calibration)) {
    throw invalid(
      refit ? 'training.refit' : 'evaluation.calibration',
      'needs validation tasks',
      true,
      'split.validation',
    );
  }
  return { config, dataset, split, validationNames, validation };
}

/** Between the name of a set and the number of support rows that its tasks are cut to. */
const CUT_TO = ', ';
const cutName = (set: string, count: number) => `${set}${CUT_TO}${count} ${count === 1 ? 'shot' : 'shots'}`;
/** The set that `evaluation.shots` cut the support rows of, or the set itself. */
export const wholeSet = (name: string): string => name.split(CUT_TO)[0];

/** Each reported set again with fewer support rows, as further sets. */
async function addShots(config: Config, split: Split, validationNames: string[]): Promise<void> {
  const { shots } = config.evaluation;
  if (shots === undefined) return;
  for (const name of namesOfSets(config, split, validationNames)) {
    const sets = await named(/^(sizes|nested)/, 'evaluation.shots', async () =>
      nestedSupport(split.sets[name], shots, { seed: config.split.seed ?? config.seed }),
    );
    for (const [k, set] of sets.entries()) split.sets[cutName(name, shots[k])] = set;
  }
}

/** Columns that the learner, or a member of the ensemble, reads and that no file has. */
export function addInputs(config: Config, dataset: Dataset, rows: Int32Array): void {
  const names = memberConfigs(config).flatMap(({ model }) => model.inputs.map(({ name }) => name));
  if (names.some((name) => (ITEM_STATISTICS as readonly string[]).includes(name))) addItemStatistics(dataset, rows);
}

/** Options that exclude each other whatever the data holds. */
export function checkOptionsOfData({ rows, data, model, evaluation }: Config): void {
  if (rows?.weights !== undefined && data.interactions.weight !== undefined)
    throw invalid(
      'rows.weights',
      'stand beside a column of weights',
      rows.weights,
      'these, or data.interactions.weight',
    );
  const head = lossSpec(model.loss);
  if (evaluation.calibration && lossOf(head).score(head) !== 'label')
    throw invalid('evaluation.calibration', 'decodes ratings', true, 'model.loss mse');
}

export function splitOptions({ split, seed }: Config): SplitOptions {
  return { ...split, seed: split.seed ?? seed };
}

function chooseValidation({ training }: Config, { sets }: Split): string[] {
  if (training.validation === undefined) return Object.keys(sets).filter((name) => name.startsWith('validation'));
  const names = [training.validation].flat();
  for (const name of names) checkSet(name, sets, 'training.validation');
  if (names.includes('train')) throw invalid('training.validation', 'is what is trained on', 'train', 'another set');
  return names;
}

export function checkSet(name: string, sets: Record<string, TaskSet>, field: string): void {
  if (Object.hasOwn(sets, name)) return;
  const known = Object.keys(sets);
  throw new InnerloopError('UNKNOWN_OPTION', suggesting('no such set', name, known), {
    field,
    value: name,
    expected: `one of ${known.join(', ')}`,
  });
}

/** The training tasks over some rows, by `trainTasks` or else by the rules of the split. */
export function trainingTasks({ config, dataset }: Prepared, rows: Int32Array): TaskSet {
  return buildTasks(dataset, { ...trainingTaskOptions(config), rows });
}

export function trainingTaskOptions({ split, seed: own, trainTasks }: Config): Omit<TaskOptions, 'rows'> {
  const { by, order, seed, ...sizes } = split.tasks;
  return { by, order, seed: seed ?? split.seed ?? own, ...(trainTasks ?? sizes) };
}

/**
 * The rows that a refit trains on: training and validation, never a test row. Protocols `users` and `tasks`: the rows of the
 * validation users, or tasks, join. Protocols `partitions` and `time`: those of all validation sets, whichever chose the epoch.
 */
export function refitRows({ config, dataset, split, validationNames }: Prepared): Int32Array {
  const { protocol } = config.split;
  if (protocol !== 'users') {
    const joins =
      protocol === 'tasks' ? validationNames : Object.keys(split.rows).filter((name) => name.startsWith('validation'));
    return Int32Array.from(
      [split.trainRows, ...joins.map((name) => split.rows[name])].flatMap((rows) => [...rows]),
    ).sort();
  }
  const joins = new Uint8Array(dataset.users.rows);
  for (const name of validationNames) for (const user of split.sets[name].users) joins[user] = 1;
  const isTraining = new Uint8Array(dataset.size);
  for (const row of split.trainRows) isTraining[row] = 1;
  return Int32Array.from({ length: dataset.size }, (_, row) => row).filter(
    (row) => isTraining[row] === 1 || joins[dataset.user[row]] === 1,
  );
}

/** A fresh learner whose id inputs know the users and items of `rows`. */
export function newLearner(
  { config, dataset }: Pick<Prepared, 'config' | 'dataset'>,
  rows: Int32Array,
  creating: CreatingOptions = {},
): Promise<Learner> {
  return learnerOf(config, () => describeInputs(dataset, config.model.inputs, rows), creating);
}

/** The learner of a configuration. @param describe its inputs; what is wrong with them is the configuration's */
export async function learnerOf(
  config: Config,
  describe: () => InputSpec[],
  creating: CreatingOptions = {},
): Promise<Learner> {
  const { loss, also, precision, classWeights } = config.model;
  const head = {
    ...lossSpec(loss),
    ...(classWeights && { classWeights }),
    ...(also && { also: also.map((each) => ({ ...each, ...lossSpec(each.loss) })) }),
  } as HeadSpec;
  const model = await named(/^(model\.head\.(?=classWeights)|(?=inputs))/, 'model.', async () =>
    defineModel(
      { inputs: describe(), body: bodyOf(config.model), head },
      {
        ...(precision && { precision }),
        ...(config.threads && { threads: config.threads }),
        ...(config.device && { device: config.device }),
      },
    ),
  );
  const { name, ...options } = config.algorithm;
  const algorithm = (ALGORITHMS[name as AlgorithmName] as (options: object) => Algorithm)(options);
  const { weights: _, ...rowOptions } = config.rows ?? {};
  const learner = { model, algorithm, optimizer: optimizerOf(config), seed: config.seed, rows: rowOptions };
  return named(/^learner\./, '', () => createLearnerAsync(learner, creating));
}

function bodyOf({ body, hidden, activation }: Config['model']): BodySpec {
  return body === undefined ? { kind: 'mlp', hidden: hidden!, activation } : (body as BodySpec);
}

function optimizerOf({ optimizer }: Config): Optimizer | undefined {
  if (optimizer === undefined) return undefined;
  const { name, ...options } = optimizer;
  return name === 'adam' ? OPTIMIZERS.adam(options) : OPTIMIZERS.sgd(options);
}

/** Names of the sets to report on: all that neither train nor validate, unless named there or in the configuration; each with its cuts. */
export function reportedSets(
  { config, split, validationNames }: Prepared,
  names?: readonly string[],
  field = 'sets',
): string[] {
  const { shots = [] } = config.evaluation;
  return namesOfSets(config, split, validationNames, names, field).flatMap((name) => [
    ...shots.map((count) => cutName(name, count)).filter((cut) => Object.hasOwn(split.sets, cut)),
    name,
  ]);
}

function namesOfSets(
  { evaluation }: Config,
  { sets }: Split,
  validationNames: readonly string[],
  names?: readonly string[],
  field = 'sets',
): string[] {
  const named = names ?? evaluation.sets;
  if (named === undefined)
    return Object.keys(sets).filter(
      (name) =>
        name !== 'train' &&
        !validationNames.includes(name) &&
        !name.startsWith('validation') &&
        wholeSet(name) === name,
    );
  for (const name of named) checkSet(name, sets, names === undefined ? 'evaluation.sets' : field);
  return [...named];
}

/** @param rows that may be trained on */
export async function baselinesOf(prepared: Prepared, rows: Int32Array, signal: AbortSignal): Promise<Baseline[]> {
  const { baselines, baselineOptions, baselineRows } = prepared.config.evaluation;
  if (baselines === false) return [];
  const fitted = baselineRows === 'tasks' ? rowsOf(trainingTasks(prepared, rows)) : rows;
  const options = { ...baselineOptions, ...(baselines !== true && { include: baselines }), signal };
  return fitBaselines(prepared.dataset, fitted, options);
}

/** The rows of tasks, ascending, each once. */
const rowsOf = ({ supportRows, queryRows }: TaskSet): Int32Array =>
  Int32Array.from(new Set([...supportRows, ...queryRows])).sort();

interface Measures {
  metrics: string[];
  /** What held-out items are ranked among; left out where the tasks decide. */
  candidates?: Candidates;
  /** A row is relevant from this label on; undefined leaves it to the metrics, which think of five stars. */
  threshold: number | undefined;
  best: number | undefined;
  gain: 'exponential' | 'linear' | undefined;
}
/** What the loss says, and what is ranked. @param tasks that are measured, where they are known */
function standardOf({ model }: Config, tasks: TasksInShort | undefined, candidates: Candidates | undefined): Standard {
  const head = lossSpec(model.loss);
  return tasks === undefined || candidates === undefined ? lossOf(head) : standardFor(head, tasks, candidates);
}

/** What held-out items are ranked among; undefined where only the tasks could say. */
function candidatesOf({ evaluation }: Config, tasks: TasksInShort | undefined): Candidates | undefined {
  return evaluation.candidates ?? (tasks && defaultCandidates(tasks));
}

/** What to measure. @param tasks trained on, where they are known */
export function measures(config: Config, tasks?: TasksInShort): Measures {
  const candidates = candidatesOf(config, tasks);
  const standard = standardOf(config, tasks, candidates);
  const { metrics, threshold, best, gain } = config.evaluation;
  return {
    metrics: metrics ?? [...standard.metrics],
    ...(candidates && { candidates }),
    threshold: threshold ?? standard.threshold,
    best,
    gain,
  };
}

/** What the best epoch is chosen by. @param tasks trained on, where they are known */
export function validationMetric(config: Config, tasks?: TasksInShort): string {
  return config.training.metric ?? standardOf(config, tasks, candidatesOf(config, tasks)).validation;
}

/** One set's results; the title of the table is its name. @param rows trained on */
export async function measure(
  prepared: Prepared,
  learner: Learner | Ensemble,
  rows: Int32Array,
  name: string,
  baselines: Baseline[],
  signal: AbortSignal,
): Promise<Evaluation> {
  const { groups, features } = prepared.config.evaluation;
  const evaluation = await evaluate(learner, prepared.split.sets[name], {
    ...measures(prepared.config, prepared.split.sets['train']),
    baselines,
    groups,
    features,
    trainRows: rows,
    signal,
  });
  return { ...evaluation, table: { ...evaluation.table, title: name } };
}

/** What the data was, for the record. */
export function fingerprint(dataset: Dataset): { rows: number; users: number; items: number; labels: string } {
  const { label } = dataset;
  const hash = createHash('sha256').update(new Uint8Array(label.buffer, label.byteOffset, label.byteLength));
  return {
    rows: dataset.size,
    users: dataset.users.rows - 1,
    items: dataset.items.rows - 1,
    labels: `sha256:${hash.digest('hex')}`,
  };
}
