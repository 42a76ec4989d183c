/** `innerloop train`: data, tasks, training, optional refit, model file, results. */
import { appendFile, rm } from 'node:fs/promises';
import { basename, extname, join, resolve } from 'node:path';
import { describeDataset } from '../data/index.js';
import { visible } from '../foundation/text.js';
import type { Dataset, TaskSet } from '../foundation/contract.js';
import type { TaskSource } from '../foundation/task-source-types.js';
import { readWhole, writeDurable } from '../files/durable.js';
import { InnerloopError } from '../foundation/errors.js';
import type { ProcessGroup } from '../foundation/process-group.js';
import { deviceName } from '../foundation/device.js';
import { describeEstimate, estimateTraining } from '../learner/memory-estimate.js';
import { renderMarkdown, renderText } from '../evaluation/result-table.js';
import type { ResultTable } from '../evaluation/result-table.js';
import { runtime } from '../index.js';
import { createEnsemble } from '../learner/ensemble.js';
import type { Ensemble } from '../learner/ensemble.js';
import type { Learner } from '../learner/learner.js';
import { fingerprintData, runManifest } from '../learner/manifest.js';
import { keepSplit } from '../learner/split.js';
import { saveEnsemble } from '../serving/ensemble-file.js';
import { saveLearner } from '../serving/persist.js';
import { decodeSafetensors } from '../files/safetensors.js';
import { summary } from '../tasks/index.js';
import { train } from '../training/train.js';
import { STDIN, toJson } from './json.js';
import type { Config } from './config.js';
import { evaluateSets, fitDecoders, plain } from './evaluate.js';
import { trainOptions } from './fit.js';
import type { ConfiguredTraining } from './fit.js';
import { memberConfigs } from './ensemble.js';
import { ofFirst } from './ranks.js';
import { rehearse } from './rehearse.js';
import { named } from './named.js';
import { attempt, NO_PROGRESS, openProgress, seconds, SILENT, tellDrawn } from './output.js';
import type { Console } from './output.js';
import {
  addInputs,
  divide,
  fingerprint,
  newLearner,
  openData,
  refitRows,
  reportedSets,
  trainingTasks,
  validationMetric,
} from './pipeline.js';
import type { Prepared } from './pipeline.js';
import { packageVersion as version } from '../learner/manifest.js';
import { FILES, laterRun, openFolder } from './run-folder.js';
import type { Start } from './run-folder.js';

export interface TrainRun {
  config: Config;
  /** Folder for the results. */
  output: string;
  /** Go on with the run that the folder holds, start over, or refuse if there is one. */
  start: Start;
  console: Console;
  signal: AbortSignal;
  /** The processes that train together: the one of rank 0 writes the files. */
  group?: ProcessGroup;
}
export interface TrainResult {
  prepared: Prepared;
  learner: Learner | Ensemble;
  tables: ResultTable[];
}

/** Where the results of a configuration go unless told: `output`, else runs/<name of the file>. */
export function outputFolder(config: Config, path: string): string {
  return config.output ?? resolve('runs', path === STDIN ? 'stdin' : basename(path, extname(path)));
}

export async function runTraining(run: TrainRun): Promise<TrainResult> {
  return run.config.ensemble === undefined ? trainOne(run) : trainEnsemble(run);
}

interface TrainedOne extends TrainResult {
  learner: Learner;
  /** The learner before a refit: of the validation rows it has seen none. */
  chosen: Learner;
}

/** @param shared the data, where it has been opened and described before */
async function trainOne(run: TrainRun, shared?: Dataset): Promise<TrainedOne> {
  const { config, output, start, signal, group } = run;
  const leads = group === undefined || group.rank === 0;
  const console = leads ? run.console : SILENT;
  const began = performance.now();
  const path = (name: keyof typeof FILES) => join(output, FILES[name]);
  // Nobody begins to work where the first process refuses to.
  const folder = await ofFirst(group, 'the output folder', async () => {
    await rehearse(config);
    return openFolder(output, start, config);
  });

  const opened = shared === undefined ? await openData(config, signal) : { ...shared };
  const later = folder.hasLearner ? await laterRun(opened, folder, config) : undefined;
  const prepared = await divide(later?.config ?? config, later?.split.dataset ?? opened, later?.split);
  const { dataset, split, validation } = prepared;
  const openSeconds = seconds(began);
  if (shared === undefined) {
    console.note(describeDataset(dataset).text);
    for (const note of split.notes) console.note(visible(note));
  }
  const tasks = trainingTasks(prepared, split.trainRows);
  console.note(describeTasks('train', tasks));

  const trainStarted = performance.now();
  const checkpoint = later === undefined ? 'checkpoint' : 'laterCheckpoint';
  const creating = { signal, onProgress: tellDrawn(console) };
  let learner = later?.learner ?? (await newLearner(prepared, split.trainRows, creating));
  if (later === undefined) keepSplit(learner, split);
  else console.note(`goes on from ${learner.epochs} epochs`);
  learner.group = group;
  const { reason } = learner.model.device;
  if (reason !== undefined) console.note(`on the processor: ${reason}`);
  console.note(describeEstimate(estimateTraining(learner, tasks, { metaBatch: config.training.metaBatch })));
  const write = async (name: keyof typeof FILES, text: string) => {
    if (leads) await writeDurable(path(name), [Buffer.from(text)]);
  };
  // Whoever goes on with a run has read its files before they are written anew.
  await group?.allGather(new Uint8Array(0), 'the data');
  await write('manifest', toJson({ ...runOf(config, learner, dataset), unfinished: true }));
  const metrics = leads ? path('metrics') : undefined;
  const begins = later === undefined && !folder.hasLearner;
  await epochs(
    learner,
    tasks,
    {
      ...trainOptions(config, signal, split.sets['train']),
      validation,
      patience: config.training.patience,
      ...(later && { epochs: later.epochs }),
      checkpoint: path(checkpoint),
    },
    { label: 'train', metricsPath: metrics, console, ...(begins && leads && { keep: path('begun') }) },
  );
  if (later !== undefined) keepSplit(learner, split);
  const best = await ofFirst(group, 'the epoch that was kept', () => keptEpoch(path(checkpoint), config.training.keep));
  const chosen = learner;
  let modelRows = split.trainRows;
  // Before a refit: after it, the validation rows are training rows.
  const decoders = config.evaluation.calibration ? await fitDecoders(prepared, learner, modelRows, signal) : undefined;
  if (config.training.refit) {
    modelRows = refitRows(prepared);
    learner = await newLearner(prepared, modelRows, creating);
    keepSplit(learner, split);
    learner.group = group;
    const all = trainingTasks(prepared, modelRows);
    console.note(`refit for ${best.epoch} epochs; ${describeTasks('train and validation', all)}`);
    await epochs(
      learner,
      all,
      { ...trainOptions(config, signal, split.sets['train']), epochs: best.epoch, checkpoint: path('refitCheckpoint') },
      { label: 'refit', metricsPath: metrics, console },
    );
    // The validation rows are training rows now, which say too little of the noise.
    learner.noiseVariance = chosen.noiseVariance;
  }
  const trainSeconds = seconds(trainStarted);
  if (leads) await saveLearner(learner, path('model'));

  const evaluateStarted = performance.now();
  const evaluations = await evaluateSets(prepared, learner, modelRows, reportedSets(prepared), decoders, signal);
  const tables = evaluations.map(({ table }) => table);
  const manifest = {
    ...runOf(config, learner, dataset),
    run: runManifest(learner),
    best: { ...best, metric: validationMetric(config, split.sets['train']) },
    seconds: { open: openSeconds, train: trainSeconds, evaluate: seconds(evaluateStarted), total: seconds(began) },
  };
  await write('manifest', toJson(manifest));
  await write('evaluation', toJson({ sets: evaluations.map(plain), decoders }));
  await write('table', tables.map((table) => renderMarkdown(table)).join('\n'));
  // That of the training stays: --resume with more epochs goes on from it. A run that went on with other data goes on from its model.
  if (leads)
    for (const name of [
      'refitCheckpoint',
      'begun',
      ...(later ? (['checkpoint', 'laterCheckpoint'] as const) : []),
    ] as const)
      await rm(path(name), { force: true });
  const { best: kept, seconds: took } = manifest;
  printResult(console, tables, { what: 'model', began, output, model: path('model') }, { best: kept, seconds: took });
  return { prepared, learner, chosen, tables };
}

/** Members train one after the other, each in a folder of its own that can be gone on with; then their mean is measured. */
async function trainEnsemble(run: TrainRun): Promise<TrainResult> {
  const { config, output, console, signal, group } = run;
  if (group !== undefined)
    throw new InnerloopError('UNSUPPORTED', 'is trained by one process', {
      field: 'ensemble',
      expected: 'each member by itself under mpirun',
    });
  const began = performance.now();
  const members = memberConfigs(config);
  await rehearse(config);
  await openFolder(output, run.start, config);
  const write = (name: keyof typeof FILES, text: string) =>
    writeDurable(join(output, FILES[name]), [Buffer.from(text)]);
  const begun = { version: version(), seed: config.seed, config, unfinished: true };
  await write('manifest', toJson(begun));
  const shared = await openData(config, signal);
  console.note(describeDataset(shared).text);
  const trained: TrainedOne[] = [];
  for (const [k, member] of members.entries()) {
    console.note(`member ${k + 1} of ${members.length}: ${member.algorithm.name}`);
    const own = { ...member, evaluation: { ...member.evaluation, baselines: false as const, calibration: false } };
    trained.push(await trainOne({ ...run, config: own, output: join(output, 'members', String(k)) }, shared));
  }
  const learner = createEnsemble(trained.map((member) => member.learner));
  const path = (name: keyof typeof FILES) => join(output, FILES[name]);
  await saveEnsemble(learner, path('model'));
  const prepared: Prepared = { ...trained[0].prepared, config };
  // The first member may read less than others.
  addInputs(config, prepared.dataset, prepared.split.trainRows);
  for (const note of prepared.split.notes) console.note(visible(note));
  const { trainRows } = prepared.split;
  const decoders = config.evaluation.calibration
    ? await fitDecoders(prepared, createEnsemble(trained.map(({ chosen }) => chosen)), trainRows, signal)
    : undefined;
  const rows = config.training.refit ? refitRows(prepared) : trainRows;
  const evaluations = await evaluateSets(prepared, learner, rows, reportedSets(prepared), decoders, signal);
  const tables = evaluations.map(({ table }) => table);
  const manifest = {
    ...runOf(config, trained[0].learner, prepared.dataset),
    model: { parameters: trained.reduce((sum, member) => sum + member.learner.model.size, 0) },
    seconds: { total: seconds(began) },
  };
  await write('manifest', toJson(manifest));
  await write('evaluation', toJson({ sets: evaluations.map(plain), decoders }));
  await write('table', tables.map((table) => renderMarkdown(table)).join('\n'));
  const told = { what: 'ensemble', began, output, model: path('model') };
  printResult(console, tables, told, { members: members.length });
  return { prepared, learner, tables };
}

/** Prints what a training ended with: tables, where the files are, and with --json all of it. */
export function printResult(
  console: Console,
  tables: readonly ResultTable[],
  { what, began, output, model }: { what: string; began: number; output: string; model: string },
  more: object,
): void {
  for (const table of tables) console.result(renderText(table));
  console.note(`${what} and results: ${output} (${seconds(began).toFixed(1)} s)`);
  console.json({ event: 'result', output, model, ...more, tables });
}

/** What decides the result, and what it runs on: written before the training, so that a run that is killed has it too. */
export function runOf(config: Config, learner: Learner, dataset: Dataset): object {
  return {
    version: version(),
    seed: config.seed,
    config,
    data: { ...fingerprint(dataset), ...fingerprintData(dataset) },
    model: {
      parameters: learner.model.size,
      tensors: learner.model.tensors.map(({ name, shape }) => ({ name, shape })),
    },
    isa: runtime().isa,
    threads: learner.model.threads,
    device: deviceName(learner.model.device),
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
  };
}

/** How the epochs of a training are told of. */
interface Telling {
  label: string;
  /** A file that a line is appended to after each. */
  metricsPath: string | undefined;
  console: Console;
  /** Where the learner is saved after the first of them, once: data that has grown is held against it. */
  keep?: string;
}

export async function epochs(
  learner: Learner,
  tasks: TaskSet | TaskSource,
  options: ConfiguredTraining,
  telling: Telling,
): Promise<void> {
  await named(/^train\./, 'training.', () => reportEpochs(learner, tasks, options, telling));
}

async function reportEpochs(
  learner: Learner,
  tasks: TaskSet | TaskSource,
  options: ConfiguredTraining,
  { label, metricsPath, console, keep }: Telling,
): Promise<void> {
  const progress = metricsPath === undefined ? NO_PROGRESS : openProgress(label, options.metric);
  let kept = keep === undefined;
  try {
    for await (const report of train(learner, tasks, { ...options, onProgress: (share) => progress.step(share) })) {
      progress.epoch(report);
      const line = { event: 'epoch', phase: label, ...report };
      console.json(line);
      if (metricsPath !== undefined)
        await attempt(metricsPath, () => appendFile(metricsPath, `${JSON.stringify(line)}\n`));
      if (!kept) await saveLearner(learner, keep!);
      kept = true;
    }
  } finally {
    progress.stop();
  }
}

/** Which epoch was kept: from the checkpoint, since a resumed run has not seen every report. */
export async function keptEpoch(
  checkpoint: string,
  keep: Config['training']['keep'],
): Promise<{ epoch: number; value: number | null }> {
  const { metadata } = decodeSafetensors(await readWhole(checkpoint), checkpoint);
  const { epoch, best, bestEpoch } = JSON.parse(metadata['run']) as {
    epoch: number;
    best: number | null;
    bestEpoch: number;
  };
  if (keep === 'last') return { epoch, value: null };
  return { epoch: bestEpoch > 0 ? bestEpoch : epoch, value: best };
}

function describeTasks(name: string, tasks: TaskSet): string {
  const { tasks: size, support, query } = summary(tasks);
  return `${name}: ${size} tasks, ${support.median} support and ${query.median} query rows at the median`;
}
