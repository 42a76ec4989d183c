import { invalid } from '../foundation/check.js';
import { resolveOptions } from '../foundation/options.js';
import { inOrder } from '../foundation/process-group.js';
import { Checkpoint } from './checkpoint.js';
import { closingNoise } from './closing-noise.js';
import { growCatalog, growModel } from '../learner/grow.js';
import { EpochBatches } from './epoch-batches.js';
import type { TaskSet } from '../foundation/contract.js';
import type { TaskSource } from '../foundation/task-source-types.js';
import { InnerloopError } from '../foundation/errors.js';
import { estimateTraining, requireMemory } from '../learner/memory-estimate.js';
import { parseMetric } from '../evaluation/metrics.js';
import { lossOf } from '../model/losses.js';
import { Learner } from '../learner/learner.js';
import { defaultCandidates } from '../evaluation/candidates.js';
import { checkReadable, inShort, measureSource } from '../evaluation/evaluate-source.js';
import type { TasksInShort } from '../evaluation/evaluate-source.js';
import { isAmong, measureMethod } from '../evaluation/measure.js';
import { checkMetric, metricScores } from '../evaluation/scores.js';
import { checkVaried, standardFor } from '../evaluation/standard.js';
import { translateRows } from '../batch/row-rules.js';
import { checkTasks, isTaskSource } from '../tasks/task-source.js';
import { checkTaskWeights } from './task-sampling.js';
import { readingOf } from './reading.js';
import { itemCounts, trainingData } from './training-data.js';
import type { TrainOptions } from './option-types.js';
import { TRAIN_OPTIONS } from './options.js';

export type { TrainOptions };

/** What `train` yields after an epoch. */
export interface EpochReport {
  /** From 1, and on from where an earlier training of the learner ended. */
  epoch: number;
  /** The number of the last one. */
  epochs: number;
  /** Mean query loss after adaptation over the epoch's draws. */
  loss: number;
  /** Mean norm of the meta-gradient before clipping. */
  gradientNorm: number;
  /** Tasks that training went through a second. */
  tasksPerSecond: number;
  /** Seconds that the epoch took. */
  seconds: number;
  /** The metric on the validation tasks after adaptation. */
  validation?: number;
  /** Whether this epoch is the best so far. */
  best: boolean;
}

/** Which rows beside its own a task's support or query set takes. */
const ROWS_OF = { 'meta-gradient': undefined, reptile: 'support', joint: 'query' } as const;

/**
 * Meta-trains a learner. The learner changes as the iteration goes on; with validation tasks it ends with the parameters of
 * the best epoch, unless `keep` says otherwise.
 *
 * The same learner, tasks and options give the same bytes, on any number of threads, and through any interruption when a
 * checkpoint is kept.
 *
 * Called again, it goes on: epochs are counted on, so that their draws are new ones. A learner is trained by one call at a time.
 *
 * ```ts
 * for await (const { epoch, loss } of train(learner, tasks, { epochs: 20 })) console.log(epoch, loss);
 * ```
 *
 * @param tasks in memory, or a source that they are read from as they are needed, such as `openShards` returns
 * @throws {InnerloopError} INVALID_OPTION (another training of this learner runs …), UNKNOWN_OPTION; INVALID_DATA for data that
 * was changed meanwhile, and for a validation metric that no task defines; DIVERGED naming the task; ABORTED (the checkpoint stays);
 * MODEL_FILE or IO for the checkpoint; UNSUPPORTED where the run cannot fit in memory
 */
export async function* train(
  learner: Learner,
  tasks: TaskSet | TaskSource,
  options: TrainOptions = {},
): AsyncGenerator<EpochReport, void, undefined> {
  const settings = resolve(learner, tasks, options);
  const end = learner.begin('training');
  try {
    yield* trainAlone(learner, tasks, options, settings);
  } finally {
    end();
  }
}

type Settings = ReturnType<typeof resolve>;

async function* trainAlone(
  learner: Learner,
  tasks: TaskSet | TaskSource,
  options: TrainOptions,
  settings: Settings,
): AsyncGenerator<EpochReport, void, undefined> {
  const { epochs, metaBatch, weigh, sampling, weights, redraw, supportSize, hide, validation, metric, signal } =
    settings;
  const { seed } = learner;
  const { checkpointSteps, group } = settings;
  const { better, name: metricName } = parseMetric(metric);
  const snapshots =
    Number(options.checkpoint !== undefined) + Number(validation !== undefined && settings.keep === 'best');
  requireMemory(estimateTraining(learner, tasks, { metaBatch, snapshots }).total, 'train');
  const data = await trainingData(tasks, validation, seed, sampling, signal);
  const { source, tables } = data;
  // A learner that was trained before meets new users and items: they get rows, and it can serve them afterwards.
  const isLater = learner.catalog !== undefined;
  growCatalog(learner, tables, ['users', 'items', 'context']);
  if (isLater) growModel(learner, tables, data.counts);
  data.keepSplit(learner);
  learner.bind(tables);
  if (validation !== undefined) learner.bind(isTaskSource(validation) ? validation.tables : validation.dataset);
  learner.rowState = translateRows(data.fitRows(learner), tables, learner.catalog!);
  learner.itemCounts = itemCounts(data, learner.catalog!);
  learner.changed();
  data.check(learner);

  const together = group ?? learner.group;
  const among = together && inOrder(together);
  const reading = readingOf(source, among);
  const checkpoint = await Checkpoint.open(
    { path: options.checkpoint, group: among, signal },
    learner,
    data.identity,
    validation && (isTaskSource(validation) ? knownOf(validation) : validation),
    {
      epochs,
      metaBatch,
      weigh,
      redraw,
      hide: hide ?? {},
      metric: validation === undefined ? '' : metricName,
      keep: settings.keep,
      patience: settings.patience ?? 0,
      ...(sampling !== 'uniform' && { sampling }),
      ...(weights && { weights: Array.from(weights) }),
      ...(supportSize && { supportSize }),
      ...(source.shards && { window: source.shards.window }),
    },
  );
  const groupBefore = learner.group;
  learner.group = among;
  try {
    const { state } = checkpoint;
    const sampler = data.sampler(state.taskLosses);
    state.taskLosses = sampler.losses;
    const steps = Math.ceil(source.size / metaBatch);
    const last = state.start + epochs;
    checkpoint.checkUnderWay(sampler.kept, steps, last);
    for (let epoch = state.epoch + 1; epoch <= last && !state.stopped; epoch++) {
      const started = performance.now();
      data.checkUnchanged();
      // An epoch that was interrupted goes on where it was saved.
      const partial = (state.partial ??= {
        step: 0,
        order: sampler.draw(epoch),
        losses: 0,
        norms: 0,
      });
      const { step: first } = partial;
      const batches = new EpochBatches(learner, {
        size: source.size,
        reading,
        group: among,
        order: sampler.order(partial.order, epoch),
        seed,
        epoch,
        metaBatch,
        redraw,
        supportSize,
        batch: {
          weighByRows: weigh === 'rows',
          weights,
          allRows: ROWS_OF[learner.algorithm.direction],
          hide: hide === undefined ? undefined : { ...hide, seed, epoch },
        },
      });
      let next = batches.prepare(first);
      for (let s = first; s < steps; s++) {
        const { batch, tasks: numbers, keys } = (await next)!;
        const progress = (epoch - 1 - state.start + s / steps) / epochs;
        const nameTask = (task: number) => `epoch ${epoch}, step ${s + 1}, task ${keys[task]}`;
        const underWay = learner.step(batch, progress, signal, nameTask, epoch, state.start);
        // The next tasks are read and packed while the core computes.
        next = batches.prepare(s + 1);
        const step = await underWay;
        // Given back at once: the garbage collector may come much later.
        learner.model.ops.release(batch.native);
        for (const loss of step.taskLosses) partial.losses += loss;
        sampler.update(numbers, step.taskLosses);
        partial.norms += step.gradientNorm;
        if (checkpointSteps !== undefined && (s + 1) % checkpointSteps === 0 && s + 1 < steps) {
          partial.step = s + 1;
          await checkpoint.save();
        }
        options.onProgress?.((epoch - 1 - state.start + (s + 1) / steps) / epochs, epoch);
      }
      state.partial = undefined;
      const trained = (performance.now() - started) / 1000;
      const value = validation === undefined ? undefined : await validate(learner, validation, settings);
      if (Number.isNaN(value)) throw undefinedMetric(metricName, validation!, learner);
      const improved =
        value !== undefined &&
        (state.best === undefined || (better === 'lower' ? value < state.best : value > state.best));
      state.epoch = epoch;
      if (improved) {
        state.best = value;
        state.bestEpoch = epoch;
        if (settings.keep === 'best') state.bestState = checkpoint.capture();
      }
      if (settings.patience !== undefined && epoch - Math.max(state.bestEpoch, state.start) >= settings.patience)
        state.stopped = true;
      await checkpoint.save();
      learner.epochs = epoch;
      yield {
        epoch,
        epochs: last,
        loss: partial.losses / source.size,
        gradientNorm: partial.norms / steps,
        tasksPerSecond: (source.size - first * metaBatch) / trained,
        seconds: (performance.now() - started) / 1000,
        validation: value,
        best: improved,
      };
    }
    learner.epochs = state.epoch;
    if (state.bestState !== undefined) checkpoint.restore(state.bestState);
    // Users of training err less than those to come: on the bundled data intervals from their noise hold 89 % of ratings, not 95.
    if (learner.algorithm.solver === 'ridge') await closingNoise(learner, validation ?? tasks, signal);
  } finally {
    learner.group = groupBefore;
    await checkpoint.close();
  }
}

/** Nothing can be chosen by a metric that no task has. */
function undefinedMetric(metric: string, validation: { size: number }, { model }: Learner): InnerloopError {
  const { ranks, validation: usual } = lossOf(model.spec.head);
  const other = ranks ? "candidates: 'catalog', which ranks held-out items among all items" : `${usual}, say`;
  return new InnerloopError('INVALID_DATA', `is undefined for all ${validation.size} validation tasks`, {
    field: 'train.metric',
    value: metric,
    expected: `a metric that their query rows define: one that sorts needs relevant rows and others in one query. Choose ${other}`,
  });
}

/** One metric of the learner on tasks, after adaptation. */
async function validate(
  learner: Learner,
  tasks: TaskSet | TaskSource,
  { metric, candidates, signal }: Pick<Settings, 'metric' | 'candidates' | 'signal'>,
): Promise<number> {
  if (isTaskSource(tasks)) {
    const { threshold } = lossOf(learner.model.spec.head);
    const settings = { metrics: [metric], candidates, threshold, signal } as const;
    return (await measureSource(learner, tasks, settings, 'train.validation')).mean;
  }
  const score = async (rows: TaskSet) => metricScores(learner, await learner.outputs(rows, 'after', signal), metric);
  const { head } = learner.model.spec;
  const loss = lossOf(head);
  const scores = isAmong(candidates, metric) ? new Float64Array(0) : await score(tasks);
  // As in `evaluate`, because labels that are 0 or 1 never reach the four stars of the default.
  const options = { metrics: [metric], candidates, threshold: loss.threshold, signal };
  return Object.values(await measureMethod(tasks, loss.score(head), scores, score, options))[0].mean;
}

/** What tells a source from others: its statistics are there, which `resolve` has made sure of. */
const knownOf = ({ tables, statistics, shards }: TaskSource) => ({ tables, statistics: statistics!, shards });

/** What defaults follow from. @throws {InnerloopError} INVALID_OPTION for a source that is not known as a whole */
function inShortOf(tasks: TaskSet | TaskSource | undefined, field: string): TasksInShort | undefined {
  if (tasks === undefined || !isTaskSource(tasks)) return tasks;
  if (tasks.statistics === undefined)
    throw invalid(field, 'has no statistics', tasks, 'what openShards returned, or a task set');
  return inShort(tasks, tasks.statistics);
}

function resolve(learner: Learner, tasks: TaskSet | TaskSource, options: TrainOptions) {
  if (!(learner instanceof Learner)) throw invalid('learner', 'not a learner', learner, 'what createLearner returned');
  const field = 'train';
  checkTasks(tasks, 'tasks');
  const given = resolveOptions(options, field, TRAIN_OPTIONS);
  const { weights, validation, patience } = given;
  const redraw = options.redraw ?? (given.redraw && tasks.prescribed !== true);
  if (redraw && tasks.prescribed === true)
    throw invalid(`${field}.redraw`, 'the data says what is support and what is query', redraw, 'false');
  if (options.supportSize !== undefined && !redraw)
    throw invalid(`${field}.supportSize`, 'needs tasks that are drawn anew', options.supportSize, 'train.redraw true');
  const { head } = learner.model.spec;
  if (validation !== undefined) checkTasks(validation, `${field}.validation`);
  // Without validation tasks nothing is measured, and nothing depends on what would be.
  const measured = inShortOf(validation ?? (isTaskSource(tasks) ? undefined : tasks), `${field}.validation`);
  const { candidates = measured === undefined ? 'query' : defaultCandidates(measured) } = given;
  const {
    metric = measured === undefined ? lossOf(head).validation : standardFor(head, measured, candidates).validation,
  } = given;
  if (weights !== undefined) checkTaskWeights(weights, tasks, `${field}.weights`);
  checkMetric(head, metric, `${field}.metric`);
  // A list of recommendations from the whole catalog is not measured after every epoch.
  parseMetric(metric, {}, `${field}.metric`);
  if (validation !== undefined) checkVaried(metric, measured!, `${field}.metric`);
  if (validation !== undefined && isTaskSource(validation))
    checkReadable({ metrics: [metric], candidates }, validation.statistics!, field);
  if (patience !== undefined && validation === undefined)
    throw invalid(`${field}.patience`, 'needs validation tasks', patience, 'train.validation');
  return { ...given, redraw, candidates, metric };
}
