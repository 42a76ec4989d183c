/** `innerloop evaluate`: a saved model on the task sets of a configuration. */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { evaluate } from '../evaluation/evaluate.js';
import type { MethodEvaluation } from '../evaluation/evaluate.js';
import { pairedDifference } from '../evaluation/intervals.js';
import type { Interval } from '../evaluation/intervals.js';
import { renderText } from '../evaluation/result-table.js';
import type { ResultTable } from '../evaluation/result-table.js';
import { holm, wilcoxon } from '../evaluation/significance.js';
import { membersOf } from '../learner/ensemble.js';
import type { Ensemble } from '../learner/ensemble.js';
import type { Learner } from '../learner/learner.js';
import { learnerOf, QUANTILES } from '../report/read.js';
import { loadPredictor } from '../serving/ensemble-file.js';
import { splitAsTrained } from '../learner/split.js';
import type { SplitOptions } from '../tasks/index.js';
import type { Config } from './config.js';
import { Decoders } from './decoders.js';
import type { Console } from './output.js';
import { baselinesOf, divide, measure, openData, prepare, refitRows, reportedSets, splitOptions } from './pipeline.js';
import type { Prepared } from './pipeline.js';

export interface EvaluateRun {
  config: Config;
  model: string;
  /** Names of sets; default: all that neither train nor validate. */
  sets: string[] | undefined;
  console: Console;
  signal: AbortSignal;
}

export async function runEvaluation({ config, model, sets, console, signal }: EvaluateRun): Promise<void> {
  const learner = await loadPredictor(model, { threads: config.threads, device: config.device });
  const prepared = await prepareAsTrained(config, membersOf(learner)[0], console, signal);
  const names = reportedSets(prepared, sets);
  if (names.length === 0) console.note('the split has no set to report on; name one with --sets');
  const { training, evaluation } = prepared.config;
  const rows = training.refit ? refitRows(prepared) : prepared.split.trainRows;
  const decoders = !evaluation.calibration
    ? undefined
    : training.refit
      ? await storedDecoders(model, console)
      : await fitDecoders(prepared, learner, rows, signal);
  const results = await evaluateSets(prepared, learner, rows, names, decoders, signal);
  for (const { table } of results) console.result(renderText(table));
  console.json({ event: 'result', model, sets: results.map(plain), tables: results.map(({ table }) => table) });
}

/**
 * The data, divided as the model's was, whatever seed and split the configuration names now: other test users would be among those
 * that it was trained on.
 */
async function prepareAsTrained(
  config: Config,
  learner: Learner,
  console: Console,
  signal: AbortSignal,
): Promise<Prepared> {
  if (learner.split === undefined) {
    console.note('the model keeps no split: that of the configuration may test it on what it was trained on');
    return prepare(config, signal);
  }
  const { options } = learner.split;
  const { dataset, ...split } = splitAsTrained(await openData(config, signal), learner);
  for (const note of split.notes) console.note(note);
  const asked = splitOptions(config);
  if (JSON.stringify(asked) !== JSON.stringify(options)) {
    const differs = Object.keys({ ...asked, ...options }).filter((key) => {
      const [a, b] = [asked, options].map((each) => JSON.stringify(each[key as keyof SplitOptions]));
      return a !== b;
    });
    console.note(
      `the split is the one that the model was trained with: split.${differs.join(', split.')} of the configuration differs`,
    );
  }
  return divide({ ...config, split: options }, dataset, split);
}

/** Decoders of the learner and of the baselines. @param rows that the baselines are fitted on, none of a validation task */
export async function fitDecoders(
  prepared: Prepared,
  learner: Learner | Ensemble,
  rows: Int32Array,
  signal: AbortSignal,
): Promise<Decoders> {
  const baselines = (await baselinesOf(prepared, rows, signal)).filter(({ scores }) => scores === 'label');
  return Decoders.fit(
    prepared,
    async (tasks) => (await evaluate(learner, tasks, { metrics: ['mae'], baselines, signal })).methods,
  );
}

/** A refitted model was trained on the validation rows; its decoders were fitted before, and lie beside it. */
async function storedDecoders(model: string, console: Console): Promise<Decoders | undefined> {
  const path = join(dirname(model), 'evaluation.json');
  try {
    const { decoders } = JSON.parse(await readFile(path, 'utf8')) as {
      decoders?: ConstructorParameters<typeof Decoders>[0];
    };
    if (decoders !== undefined) return new Decoders(decoders);
  } catch {
    // Reported below, as a file without decoders is.
  }
  console.note(`no median decoders in ${path}: their rows are left out`);
  return undefined;
}

export interface SetEvaluation {
  set: string;
  methods: MethodEvaluation[];
  table: ResultTable;
}

/** Results of several sets. @param decoders to report median-decoded ratings too */
export async function evaluateSets(
  prepared: Prepared,
  learner: Learner | Ensemble,
  rows: Int32Array,
  names: readonly string[],
  decoders: Decoders | undefined,
  signal: AbortSignal,
): Promise<SetEvaluation[]> {
  const baselines = names.length === 0 ? [] : await baselinesOf(prepared, rows, signal);
  const results: SetEvaluation[] = [];
  for (const set of names) {
    const measured = await measure(prepared, learner, rows, set, baselines, signal);
    results.push({
      set,
      ...(decoders === undefined ? measured : decoders.extend(measured, set, prepared.split.sets[set])),
    });
  }
  return results;
}

/** Gives the results as JSON: means with intervals and quantiles over tasks, and differences to the learner, without the values of single tasks. */
export function plain({ set, methods }: SetEvaluation): object {
  const learner = methods.find(({ method }) => method === learnerOf(methods[0].method)) ?? methods[0];
  const differences = differencesTo(learner, methods);
  return {
    set,
    methods: methods.map(({ method, metrics, groups, reliability }) => ({
      method,
      metrics: Object.fromEntries(
        Object.entries(metrics).map(([name, { perTask, ...result }]) => [
          name,
          { ...result, quantiles: quantilesOf(perTask), ...differences.get(method)?.[name] },
        ]),
      ),
      ...(groups && { groups }),
      ...(reliability && { reliability }),
    })),
  };
}

/** Of the values of tasks that have one, the shares of `QUANTILES`. */
function quantilesOf(perTask: Float64Array): number[] {
  const values = perTask.filter((value) => Number.isFinite(value)).sort();
  return values.length === 0 ? [] : QUANTILES.map((share) => values[Math.round(share * (values.length - 1))]);
}

type Difference = { difference: Interval & { p: number } };

/** Each method minus the learner, task by task, with Wilcoxon's test corrected over the methods (Holm). */
function differencesTo(
  learner: MethodEvaluation,
  methods: readonly MethodEvaluation[],
): Map<string, Record<string, Difference>> {
  const found = new Map<string, Record<string, Difference>>(methods.map(({ method }) => [method, {}]));
  for (const [metric, base] of Object.entries(learner.metrics)) {
    const others = methods.filter((one) => one !== learner && one.metrics[metric] !== undefined);
    const adjusted = holm(others.map((one) => wilcoxon(one.metrics[metric], base).p));
    others.forEach(({ method, metrics }, k) => {
      found.get(method)![metric] = { difference: { ...pairedDifference(metrics[metric], base), p: adjusted[k] } };
    });
  }
  return found;
}
