/**
 * Measures settings for `innerloop tune` in a process of its own: reads the data once, then trains a learner or fits a baseline for
 * each job and sends what the validation tasks say. Test tasks are never measured.
 */
import { fitBaselines } from '../baselines/fit.js';
import type { BaselineName } from '../baselines/options.js';
import type { Dataset } from '../foundation/contract.js';
import { measureMethod } from '../evaluation/measure.js';
import { TRAIN_OPTIONS } from '../training/options.js';
import type { Config } from './config.js';
import { trainEpochs } from './fit.js';
import { failureOf } from './method-runs.js';
import { divide, measures, newLearner, openData } from './pipeline.js';
import type { Prepared } from './pipeline.js';

export interface TuneJob {
  id: number;
  /** With the seed of the run, and that of its split. */
  config: Config;
  baseline: BaselineName | undefined;
  /** Of the epochs. */
  share: number;
  metric: string;
  better: 'lower' | 'higher';
}
export type TuneAnswer = { id: number } & ({ value: number } | { failed: { code: string; message: string } });

/** Never aborted: the parent ends the process. */
const { signal } = new AbortController();
let opened: { key: string; dataset: Promise<Dataset> } | undefined;

process.on('message', (job: TuneJob) => void answer(job));
// An interrupt at the terminal reaches the whole group: what becomes of this process is the parent's to say.
for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => undefined);
process.on('disconnect', () => process.exit());

async function answer(job: TuneJob): Promise<void> {
  const { id } = job;
  try {
    process.send!({ id, value: await measure(job) } satisfies TuneAnswer);
  } catch (error) {
    process.send!({ id, failed: failureOf(error) } satisfies TuneAnswer);
  }
}

async function measure({ config, baseline, share, metric, better }: TuneJob): Promise<number> {
  const key = JSON.stringify(config.data);
  if (opened?.key !== key) opened = { key, dataset: openData(config, signal) };
  const prepared = await divide(config, { ...(await opened.dataset) });
  return baseline === undefined ? learned(prepared, share, metric, better) : fitted(prepared, baseline, metric);
}

async function learned(prepared: Prepared, share: number, metric: string, better: 'lower' | 'higher'): Promise<number> {
  const { config, split, validation } = prepared;
  const { epochs = TRAIN_OPTIONS.epochs.default, patience, keep } = config.training;
  const learner = await newLearner(prepared, split.trainRows, { signal });
  const values: number[] = [];
  const options = { validation, patience, metric, epochs: Math.max(1, Math.round(share * epochs)), signal };
  await trainEpochs(prepared, learner, split.trainRows, options, (report) => void values.push(report.validation!));
  if (keep === 'last') return values.at(-1)!;
  return better === 'lower' ? Math.min(...values) : Math.max(...values);
}

async function fitted(prepared: Prepared, name: BaselineName, metric: string): Promise<number> {
  const { config, dataset, split } = prepared;
  const validation = prepared.validation!;
  const [baseline] = await fitBaselines(dataset, split.trainRows, {
    ...config.evaluation.baselineOptions,
    include: [name],
    signal,
  });
  const { metrics: _, ...rest } = measures(config, split.sets['train']);
  const measured = await measureMethod(
    validation,
    baseline.scores,
    baseline.predict(validation),
    (rows) => baseline.predict(rows),
    { ...rest, metrics: [metric], signal },
  );
  return measured[metric].mean;
}
