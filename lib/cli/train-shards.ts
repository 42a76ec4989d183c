/** `innerloop train --shards`: training and measuring on tasks on disk, which are read as they are needed. */
import { join } from 'node:path';
import { describeInputs } from '../batch/features.js';
import { ITEM_STATISTICS } from '../data/index.js';
import { writeDurable } from '../files/durable.js';
import { InnerloopError, show } from '../foundation/errors.js';
import { visible } from '../foundation/text.js';
import { invalid } from '../foundation/check.js';
import { evaluate } from '../evaluation/evaluate.js';
import { inShort, isReadable } from '../evaluation/evaluate-source.js';
import type { TasksInShort } from '../evaluation/evaluate-source.js';
import { isTaskSource } from '../tasks/task-source.js';
import { renderMarkdown } from '../evaluation/result-table.js';
import { differenceBetween, runManifest } from '../learner/manifest.js';
import { describeEstimate, estimateTraining } from '../learner/memory-estimate.js';
import { saveLearner } from '../serving/persist.js';
import { openShards, sampleTasks } from '../tasks/index.js';
import type { Shards } from '../tasks/index.js';
import type { Config } from './config.js';
import { plain } from './evaluate.js';
import { trainOptions } from './fit.js';
import { toJson } from './json.js';
import { seconds, SILENT, tellDrawn } from './output.js';
import { learnerOf, measures, splitOptions, validationMetric } from './pipeline.js';
import { ofFirst } from './ranks.js';
import { rehearse } from './rehearse.js';
import { FILES, openFolder } from './run-folder.js';
import { epochs, keptEpoch, printResult, runOf } from './train.js';
import type { TrainRun } from './train.js';

/** Tasks that are measured, at most, where a measure needs them in memory. */
const SAMPLED = 10_000;

export async function trainOnShards(run: TrainRun & { shards: string }): Promise<void> {
  const { config, shards, output, start, signal, group } = run;
  const leads = group === undefined || group.rank === 0;
  const console = leads ? run.console : SILENT;
  const began = performance.now();
  const path = (name: keyof typeof FILES) => join(output, FILES[name]);
  refuseWhole(config);
  await ofFirst(group, 'the output folder', async () => {
    await rehearse(config);
    return openFolder(output, start, config);
  });
  const opened = await openShards(shards);
  checkSplit(config, opened, shards);
  const { tables, sets } = opened;
  for (const note of opened.notes) console.note(visible(note));
  for (const [name, { size, statistics }] of Object.entries(sets))
    console.note(`${name}: ${size} tasks, ${statistics.rows} interactions`);
  const training = sets['train'];
  const learner = await learnerOf(config, () => describeInputs(tables, config.model.inputs, training.statistics), {
    signal,
    onProgress: tellDrawn(console),
  });
  learner.group = group;
  console.note(describeEstimate(estimateTraining(learner, training, { metaBatch: config.training.metaBatch })));
  const { groups, features } = config.evaluation;
  // All tasks of a set, read as they are needed; lists, drawn candidates and the like need them in memory.
  const measuredOn = async (name: string, asked: (set: TasksInShort) => Parameters<typeof isReadable>[0]) => {
    const set = sets[name];
    if (set === undefined) return undefined;
    const short = inShort(set, set.statistics);
    if (isReadable(asked(short), set.statistics)) return { tasks: set, short };
    if (set.size > SAMPLED) console.note(`${name}: measured on ${SAMPLED} of ${set.size} tasks, drawn at random`);
    const tasks = await sampleTasks(set, { count: SAMPLED, seed: config.seed });
    return { tasks, short: tasks };
  };
  const validation = await measuredOn('validation', (set) => ({
    metrics: [validationMetric(config, set)],
    candidates: measures(config, set).candidates,
  }));
  const write = async (name: keyof typeof FILES, text: string) => {
    if (leads) await writeDurable(path(name), [Buffer.from(text)]);
  };
  const record = { ...runOf(config, learner, tables), shards, tasks: training.statistics.digest };
  await group?.allGather(new Uint8Array(0), 'the data');
  await write('manifest', toJson({ ...record, unfinished: true }));
  const trainStarted = performance.now();
  await epochs(
    learner,
    training,
    {
      ...trainOptions(config, signal, validation?.short),
      validation: validation?.tasks,
      patience: config.training.patience,
      checkpoint: path('checkpoint'),
    },
    { label: 'train', metricsPath: leads ? path('metrics') : undefined, console },
  );
  const best = await ofFirst(group, 'the epoch that was kept', () =>
    keptEpoch(path('checkpoint'), config.training.keep),
  );
  const trainSeconds = seconds(trainStarted);
  if (leads) await saveLearner(learner, path('model'));

  const test = await measuredOn('test', (set) => measures(config, set));
  if (test !== undefined && config.evaluation.baselines !== false)
    console.note('baselines are fitted on interactions in memory, and left out here');
  // Features are of lists alone, which are in memory where there are any.
  const evaluated =
    test === undefined
      ? []
      : [
          {
            set: 'test',
            ...(await evaluate(learner, test.tasks, {
              ...measures(config, test.short),
              ...{ groups, signal },
              ...(!isTaskSource(test.tasks) && { features }),
            })),
          },
        ];
  const results = evaluated.map(({ table }) => ({ ...table, title: 'test' }));
  const took = { train: trainSeconds, total: seconds(began) };
  const metric = validationMetric(config, validation?.short);
  await write('manifest', toJson({ ...record, run: runManifest(learner), best: { ...best, metric }, seconds: took }));
  await write('evaluation', toJson({ sets: evaluated.map(plain) }));
  await write('table', results.map((table) => renderMarkdown(table)).join('\n'));
  const told = { what: 'model', began, output, model: path('model') };
  printResult(console, results, told, { best: { ...best, metric }, seconds: took });
}

/** What a configuration may ask for and needs all interactions at once. */
function refuseWhole({ ensemble, trainTasks, rows, model, training, evaluation }: Config): void {
  const statistics = model.inputs.find(({ name }) => (ITEM_STATISTICS as readonly string[]).includes(name));
  const asked: [string, unknown][] = [
    ['ensemble', ensemble],
    ['trainTasks', trainTasks],
    ['rows.weights', rows?.weights],
    ['model.inputs', statistics?.name],
    ['training.refit', training.refit || undefined],
    ['training.validation', training.validation],
    ['evaluation.calibration', evaluation.calibration || undefined],
  ];
  for (const [field, value] of asked)
    if (value !== undefined)
      throw new InnerloopError('UNSUPPORTED', 'needs all interactions in memory', {
        field,
        value,
        expected: 'none with --shards',
      });
}

/** Shards are divided once; another split in the configuration would be passed over. */
function checkSplit(config: Config, { split }: Shards, shards: string): void {
  const asked = splitOptions(config);
  const difference = differenceBetween({ split }, { split: asked });
  if (difference !== undefined)
    throw invalid(
      difference.path,
      `was ${show(difference.before)} where ${shards} was written`,
      difference.now,
      'what it was, or shards that are written anew (innerloop shard --fresh)',
    );
}
