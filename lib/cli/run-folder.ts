/** The folder of a run: what it holds, whether that is the same run, and how one goes on with data that has grown. */
import { mkdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { invalid } from '../foundation/check.js';
import type { Dataset } from '../foundation/contract.js';
import { show } from '../foundation/errors.js';
import type { Learner } from '../learner/learner.js';
import { differenceBetween, fingerprintData } from '../learner/manifest.js';
import { growSplit } from '../learner/split.js';
import { loadLearner } from '../serving/persist.js';
import type { GrownSplit } from '../tasks/index.js';
import { readCheckpoint } from '../training/checkpoint.js';
import { TRAIN_OPTIONS } from '../training/options.js';
import type { Config } from './config.js';
import { attempt, refuseFolders } from './output.js';

/** Files of an output folder. */
export const FILES = {
  model: 'model.safetensors',
  checkpoint: 'checkpoint.safetensors',
  refitCheckpoint: 'checkpoint-refit.safetensors',
  laterCheckpoint: 'checkpoint-later.safetensors',
  /** The learner after its first epoch, until the run is finished: what its data meant and how it was divided. */
  begun: 'begun.safetensors',
  manifest: 'manifest.json',
  metrics: 'metrics.jsonl',
  table: 'table.md',
  evaluation: 'evaluation.json',
} as const;

/** Go on, start over, or refuse if there is a run. */
export type Start = 'resume' | 'fresh' | 'new';

/** What is gone on with; nothing of a folder that is started anew. */
export interface OpenFolder {
  output: string;
  hasModel: boolean;
  hasCheckpoint: boolean;
  /** Whether there is a learner that the data of today can be held against. */
  hasLearner: boolean;
}

/** Whatever a folder holds of a run is gone on with or discarded because someone said so, never otherwise. */
export async function openFolder(output: string, start: Start, config: Config): Promise<OpenFolder> {
  await attempt(output, () => mkdir(output, { recursive: true }));
  await refuseFolders(Object.values(FILES).map((name) => join(output, name)));
  const holds = (name: keyof typeof FILES) =>
    stat(join(output, FILES[name])).then(
      () => true,
      () => false,
    );
  const [hasCheckpoint, hasModel] = [await holds('checkpoint'), await holds('model')];
  if (start === 'new' && (hasCheckpoint || hasModel)) {
    const what = hasModel ? 'a finished run' : 'the checkpoint of an unfinished run';
    const more = hasModel ? '--resume --epochs N for more epochs' : '--resume to go on';
    throw invalid('output', `holds ${what}`, output, `${more}, --fresh to discard it, or another --output`);
  }
  if (start === 'resume') {
    const hasRun = hasCheckpoint || hasModel;
    // The checkpoints of an ensemble are in the folders of its members.
    if (hasRun || config.ensemble !== undefined) await checkSameRun(output, config);
    if (hasRun) return { output, hasModel, hasCheckpoint, hasLearner: hasModel || (await holds('begun')) };
  }
  for (const name of [FILES.checkpoint, FILES.refitCheckpoint, FILES.laterCheckpoint, FILES.begun, FILES.metrics])
    await attempt(output, () => rm(join(output, name), { force: true }));
  return { output, hasModel: false, hasCheckpoint: false, hasLearner: false };
}

/** @throws {InnerloopError} INVALID_OPTION naming the first option in which a configuration differs from that of a folder's run */
async function checkSameRun(output: string, config: Config): Promise<void> {
  const path = join(output, FILES.manifest);
  let before: unknown;
  try {
    ({ config: before } = JSON.parse(await readFile(path, 'utf8')) as { config?: unknown });
  } catch {
    // A run that was killed before it wrote one: its checkpoint says whether it is the same.
    return;
  }
  const decisive = (of: unknown) => {
    const {
      threads: _,
      output: __,
      evaluation: ___,
      scenarios: ____,
      learners: _____,
      $schema: ______,
      ...rest
    } = of as Config;
    const { epochs: _______, checkpointSteps: _________, ...training } = rest.training;
    const { baseDirectory: ________, ...data } = rest.data;
    return JSON.parse(JSON.stringify({ ...rest, training, data })) as unknown;
  };
  const difference = differenceBetween(decisive(before), decisive(config));
  if (difference === undefined) return;
  const { path: field, before: was, now } = difference;
  throw invalid(
    field,
    `was ${show(was)} in the run that ${output} holds`,
    now,
    'what it was, or --fresh to discard that run, or another --output',
  );
}

/** A run that goes on with other data than it began with. */
export interface LaterRun {
  learner: Learner;
  /** With the split that the model keeps. */
  config: Config;
  split: GrownSplit;
  /** To train, beyond those that are done. */
  epochs: number;
}

/**
 * Where the data of a run has grown, training goes on from the model, or from the last epoch of a run that was not finished: new users,
 * items and values get rows, and whoever was tested stays tested. Such a run keeps no checkpoint when it is done, and goes on from its
 * model ever after.
 *
 * @returns undefined where the checkpoint is what to go on from
 */
export async function laterRun(
  dataset: Dataset,
  { output, hasModel, hasCheckpoint }: OpenFolder,
  config: Config,
): Promise<LaterRun | undefined> {
  const checkpoint = hasModel ? undefined : await readCheckpoint(join(output, FILES.checkpoint));
  if (checkpoint !== undefined && checkpoint.data.values === fingerprintData(dataset).values) return undefined;
  const file = join(output, hasModel ? FILES.model : FILES.begun);
  const learner = await loadLearner(file, { threads: config.threads, device: config.device });
  checkpoint?.restore(learner);
  if (learner.split === undefined) {
    if (hasCheckpoint) return undefined;
    throw invalid('output', 'holds a model and no checkpoint to go on from', output, '--fresh, or another --output');
  }
  const split = growSplit(dataset, learner);
  const { rows, users, changed } = split.since;
  const isGrown = rows + users + changed > 0;
  if (!isGrown && hasCheckpoint) return undefined;
  if (config.training.refit)
    throw invalid(
      'training.refit',
      hasModel
        ? 'a model that was refitted has no validation tasks left to go on by'
        : 'a refit is of the data that the run began with, which has grown since',
      true,
      '--fresh to train anew on the data of today',
    );
  const { epochs = TRAIN_OPTIONS.epochs.default } = config.training;
  if (epochs <= learner.epochs)
    throw invalid(
      'training.epochs',
      `${learner.epochs} are done${isGrown ? `, and the data has grown by ${rows} rows and ${users} users` : ''}`,
      epochs,
      `--epochs N above ${learner.epochs}, of which those beyond are trained on the data of today`,
    );
  return { learner, config: { ...config, split: learner.split.options }, split, epochs: epochs - learner.epochs };
}
