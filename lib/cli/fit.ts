/** Training by a configuration: the epochs, and the refit that may follow. */
import type { TasksInShort } from '../evaluation/evaluate-source.js';
import type { Learner } from '../learner/learner.js';
import { train } from '../training/train.js';
import type { EpochReport, TrainOptions } from '../training/train.js';
import type { Config } from './config.js';
import { named } from './named.js';
import { newLearner, refitRows, trainingTasks, validationMetric } from './pipeline.js';
import type { Prepared } from './pipeline.js';

/** Options of a training whose metric is a name, as in every configuration. */
export type ConfiguredTraining = TrainOptions & { metric: string };

/** What a configuration says of `train`; validation and patience are for the first training only. */
export function trainOptions(config: Config, signal: AbortSignal, tasks?: TasksInShort): ConfiguredTraining {
  const { patience: _, validation: __, refit: ___, ...options } = config.training;
  const { candidates } = config.evaluation;
  return { ...options, metric: validationMetric(config, tasks), ...(candidates && { candidates }), signal };
}

export interface Trained {
  /** Of the outer steps. */
  seconds: number;
  /** Whose parameters were kept. */
  epoch: number;
}

/** Trains a learner on the training tasks of some rows. */
export async function trainEpochs(
  prepared: Prepared,
  learner: Learner,
  rows: Int32Array,
  options: TrainOptions & { signal: AbortSignal },
  onEpoch: (report: EpochReport) => void,
): Promise<Trained> {
  const tasks = trainingTasks(prepared, rows);
  const { config } = prepared;
  let [seconds, best, last] = [0, 0, 0];
  await named(/^train\./, 'training.', async () => {
    for await (const report of train(learner, tasks, { ...trainOptions(config, options.signal, tasks), ...options })) {
      seconds += tasks.size / report.tasksPerSecond;
      last = report.epoch;
      if (report.best && config.training.keep !== 'last') best = report.epoch;
      onEpoch(report);
    }
  });
  return { seconds, epoch: best || last };
}

export interface Fitted extends Trained {
  learner: Learner;
  /** What it was trained on. */
  rows: Int32Array;
}

/** Where training shows how far it is; `phase` is train or refit. */
export interface Watch {
  step(share: number, phase: string): void;
  epoch(report: EpochReport, phase: string): void;
}

/** Trains as `innerloop train` does, without its files. @param refit whether the configuration's refit is wanted, which takes the validation rows */
export async function fit(prepared: Prepared, refit: boolean, watch: Watch, signal: AbortSignal): Promise<Fitted> {
  const { config, split, validation } = prepared;
  const run = async (rows: Int32Array, phase: string, options: TrainOptions): Promise<Fitted> => {
    const learner = await newLearner(prepared, rows, { signal });
    const onProgress = (share: number) => watch.step(share, phase);
    const trained = await trainEpochs(prepared, learner, rows, { ...options, onProgress, signal }, (report) =>
      watch.epoch(report, phase),
    );
    return { ...trained, learner, rows };
  };
  const first = await run(split.trainRows, 'train', { validation, patience: config.training.patience });
  if (!refit || !config.training.refit) return first;
  const again = await run(refitRows(prepared), 'refit', { epochs: first.epoch });
  // The validation rows are training rows now, which say too little of the noise.
  again.learner.noiseVariance = first.learner.noiseVariance;
  return { ...again, seconds: first.seconds + again.seconds };
}
