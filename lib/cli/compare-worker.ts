/**
 * One run of `innerloop compare` in a process of its own, so that its time and its memory are its own: reads the data, trains a
 * learner or fits a baseline, measures it on the reported sets, sends the result to the parent and ends.
 */
import { readFileSync } from 'node:fs';
import type { BaselineName } from '../baselines/options.js';
import type { MethodRun } from '../compare/runs.js';
import { median } from '../compare/runs.js';
import type { TaskSet } from '../foundation/contract.js';
import { evaluate } from '../evaluation/evaluate.js';
import type { MethodEvaluation } from '../evaluation/evaluate.js';
import type { Scorer } from '../evaluation/lists.js';
import { measureMethod } from '../evaluation/measure.js';
import { isMeasured } from '../evaluation/metrics.js';
import { createEnsemble } from '../learner/ensemble.js';
import type { Ensemble } from '../learner/ensemble.js';
import type { Learner } from '../learner/learner.js';
import { lossOf } from '../model/losses.js';
import { subsetTasks } from '../tasks/index.js';
import type { EpochReport, TrainOptions } from '../training/train.js';
import type { Config } from './config.js';
import { Decoders } from './decoders.js';
import { memberConfigs } from './ensemble.js';
import { trainEpochs } from './fit.js';
import type { Trained } from './fit.js';
import { failureOf, perTask, UNMEASURED } from './method-runs.js';
import { baselinesOf, measures, newLearner, prepare, refitRows, reportedSets, validationMetric } from './pipeline.js';
import type { Prepared } from './pipeline.js';

/** What to run: the seed of the configuration is that of the run, the split has its own. */
export interface Job {
  method: string;
  config: Config;
  /** A baseline by name in place of the learner. */
  baseline: BaselineName | undefined;
  /** What the best learner is chosen by: measured on the validation tasks, beside what is reported. */
  chosenBy: string;
}
export type Message =
  | { event: 'progress'; phase: string; share: number }
  | { event: 'epoch'; phase: string; report: EpochReport; metric: string }
  | { event: 'result'; run: MethodRun };

type Measured = Omit<MethodRun, 'method' | 'kind' | 'seed' | 'memory'> & { method?: string };

/** Tasks to time one at a time, after some to warm up. */
const TIMED = 200;
const WARM_UP = 20;

const send = (message: Message) => void process.send?.(message);
/** Never aborted: the parent ends the process. */
const { signal } = new AbortController();

process.once('message', (job: Job) => void run(job));
// An interrupt at the terminal reaches the whole group: what becomes of this run is the parent's to say.
for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => undefined);
process.on('disconnect', () => process.exit());

async function run({ method, config, baseline, chosenBy }: Job): Promise<void> {
  const kind = baseline === undefined ? 'learner' : 'baseline';
  const head = { method, kind, seed: kind === 'learner' ? config.seed : null } as const;
  let data = 0;
  const memory = () => ({ peak: peakMemory(), data });
  let result: MethodRun;
  try {
    const prepared = await prepare(config, signal);
    data = peakMemory();
    const measured = kind === 'learner' ? await runLearner(prepared, chosenBy) : await runBaseline(prepared, chosenBy);
    result = { ...head, ...measured, memory: memory() };
  } catch (error) {
    result = { ...head, ...UNMEASURED, memory: memory(), failed: failureOf(error) };
  }
  process.send!({ event: 'result', run: result } satisfies Message, () => process.disconnect());
}

async function runLearner(prepared: Prepared, chosenBy: string): Promise<Measured> {
  const { config, split, validation } = prepared;
  const { metrics, ...rest } = measures(config, split.sets['train']);
  const evaluated = async (learner: Learner | Ensemble, tasks: TaskSet, more: readonly string[] = []) => [
    (await evaluate(learner, tasks, { ...rest, metrics: [...new Set([...metrics, ...more])], signal })).methods[AFTER],
  ];
  const { refit } = config.training;
  const members = memberConfigs(config).map((own) => ({ ...prepared, config: own }));
  const train = async (rows: Int32Array, options: (member: number) => TrainOptions, phase: string) => {
    const runs: (Trained & { learner: Learner })[] = [];
    for (const [k, member] of members.entries()) {
      const own = await newLearner(member, rows, { signal });
      runs.push({ ...(await trained(member, own, rows, options(k), phase)), learner: own });
    }
    return runs;
  };
  const together = (runs: readonly { learner: Learner }[]) =>
    runs.length === 1 ? runs[0].learner : createEnsemble(runs.map((run) => run.learner));
  const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);
  const first = await train(
    split.trainRows,
    (k) => ({ validation, patience: members[k].config.training.patience }),
    'train',
  );
  let learner = together(first);
  // Before a refit, after which the validation rows are training rows.
  const { head } = learner.model.spec;
  const choosing = isMeasured(lossOf(head).score(head), chosenBy) ? [chosenBy] : [];
  const valid = validation === undefined ? [] : await evaluated(learner, validation, choosing);
  const decoders = config.evaluation.calibration
    ? await Decoders.fit(prepared, (tasks) => evaluated(learner, tasks))
    : undefined;
  let last = first;
  if (refit) {
    last = await train(refitRows(prepared), (k) => ({ epochs: first[k].epoch }), 'refit');
    learner = together(last);
  }
  return {
    sets: await reported(prepared, (tasks) => evaluated(learner, tasks), decoders),
    validation: means(valid),
    trainSeconds: sum((refit ? [...first, ...last] : first).map(({ seconds }) => seconds)),
    adaptMicroseconds: await adaptationCost(prepared, (task) => learner.outputs(task, 'after')),
    parameters: sum(last.map((run) => run.learner.model.size)),
    epoch: first.length === 1 ? first[0].epoch : null,
  };
}
/** Of the two results that `evaluate` gives for a learner, this is the one after adaptation. */
const AFTER = 1;

function trained(
  prepared: Prepared,
  learner: Learner,
  rows: Int32Array,
  options: TrainOptions,
  phase: string,
): Promise<Trained> {
  const metric = validationMetric(prepared.config, prepared.split.sets['train']);
  const onProgress = throttled((share) => send({ event: 'progress', phase, share }));
  return trainEpochs(prepared, learner, rows, { ...options, onProgress, signal }, (report) =>
    send({ event: 'epoch', phase, report, metric }),
  );
}

async function runBaseline(prepared: Prepared, chosenBy: string): Promise<Measured> {
  const { config, split, validation } = prepared;
  const started = performance.now();
  let [baseline] = await baselinesOf(prepared, split.trainRows, signal);
  const trainSeconds = (performance.now() - started) / 1000;
  const { metrics, ...rest } = measures(config, split.sets['train']);
  const evaluated = async (tasks: TaskSet, more: readonly string[] = []): Promise<MethodEvaluation[]> => {
    const { name, scores: kind } = baseline;
    const scores = baseline.predict(tasks);
    const rank: Scorer = (rows) => baseline.predict(rows);
    const options = { ...rest, metrics: [...new Set([...metrics, ...more])], signal };
    return [{ method: name, scores, metrics: await measureMethod(tasks, kind, scores, rank, options) }];
  };
  const valid = validation === undefined ? [] : await evaluated(validation, [chosenBy]);
  const isDecoded = config.evaluation.calibration && baseline.scores === 'label';
  const decoders = isDecoded ? await Decoders.fit(prepared, evaluated) : undefined;
  if (config.training.refit) [baseline] = await baselinesOf(prepared, refitRows(prepared), signal);
  return {
    method: baseline.name,
    sets: await reported(prepared, evaluated, decoders),
    validation: means(valid),
    trainSeconds,
    adaptMicroseconds: await adaptationCost(prepared, (task) => baseline.predict(task)),
    parameters: null,
    epoch: null,
  };
}

/** Every metric of every reported set, task by task. */
async function reported(
  prepared: Prepared,
  evaluated: (tasks: TaskSet) => Promise<MethodEvaluation[]>,
  decoders: Decoders | undefined,
): Promise<MethodRun['sets']> {
  const sets: MethodRun['sets'] = {};
  for (const name of reportedSets(prepared)) {
    const tasks = prepared.split.sets[name];
    const plain = await evaluated(tasks);
    const [own, decoded] = decoders?.decode(plain, name, tasks) ?? plain;
    sets[name] = { ...perTask(own.metrics), ...(decoded && { 'mae, median': perTask(decoded.metrics)['mae'] }) };
  }
  return sets;
}

/** The mean of every metric. */
function means(evaluations: MethodEvaluation[]): Record<string, number> {
  return Object.fromEntries(
    evaluations.flatMap(({ metrics }) => Object.entries(metrics).map(([name, { mean }]) => [name, mean])),
  );
}

/** Median microseconds to adapt to one task of the first reported set and to score its query. */
async function adaptationCost(prepared: Prepared, once: (task: TaskSet) => unknown): Promise<number | null> {
  const [name] = reportedSets(prepared);
  const tasks = name === undefined ? prepared.validation : prepared.split.sets[name];
  if (tasks === undefined) return null;
  const single = Array.from({ length: Math.min(TIMED, tasks.size) }, (_, t) => subsetTasks(tasks, [t]));
  for (const task of single.slice(0, WARM_UP)) await once(task);
  const times: number[] = [];
  for (const task of single) {
    const started = performance.now();
    await once(task);
    times.push((performance.now() - started) * 1000);
  }
  return median(times);
}

/** At most ten calls a second. */
function throttled(show: (share: number) => void): (share: number) => void {
  let last = 0;
  return (share) => {
    if (performance.now() - last < 100) return;
    last = performance.now();
    show(share);
  };
}

/**
 * Largest resident memory of this process so far, in bytes. On Linux not by getrusage: its maximum survives exec, so a child
 * would start with that of its parent.
 */
function peakMemory(): number {
  try {
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))![1]) * 1024;
  } catch {
    return process.resourceUsage().maxRSS * 1024;
  }
}
