/** Many methods on the same tasks: what each run left, taken together into one table with intervals and paired differences. */
import { invalid, checkArray, checkString } from '../foundation/check.js';
import { bootstrapIntervals } from './bootstrap.js';
import { InnerloopError } from '../foundation/errors.js';
import { resultTable } from '../evaluation/result-table.js';
import type { ResultTable } from '../evaluation/result-table.js';

/** One run of one method, as plain JSON: of a learner with one seed, or of a baseline. */
export interface MethodRun {
  method: string;
  kind: 'learner' | 'baseline';
  /** null for a baseline: it draws nothing. */
  seed: number | null;
  /** Why there is no result. */
  failed?: { code: string; message: string };
  /** By reported set, then by metric: the value of each task after adaptation, null where the metric is undefined. */
  sets: Record<string, Record<string, (number | null)[]>>;
  /** By metric: the mean over the validation tasks, before any refit. Empty without a validation set. */
  validation: Record<string, number>;
  /** Of the training: outer steps only, without the validation after each epoch. Of a baseline: its fit. */
  trainSeconds: number;
  /** Largest resident memory of the run's own process, and what that was once the data had been read. */
  memory: { peak: number; data: number };
  /** Median over tasks, one at a time: adapt to the support rows and score the query rows. null without tasks. */
  adaptMicroseconds: number | null;
  /** Trainable values; null for a baseline. */
  parameters: number | null;
  /** Epoch that was kept; null for a baseline. */
  epoch: number | null;
}

export interface RunTableCell {
  mean: number;
  /** Ends of the 95 % bootstrap interval over tasks; null with fewer than two. */
  low: number | null;
  high: number | null;
  tasks: number;
}
export interface RunTableRow {
  method: string;
  kind: MethodRun['kind'];
  /** Runs that gave a result. */
  seeds: (number | null)[];
  /** One text for each run that gave none. */
  failures: string[];
  /** `cells[c]` belongs to `columns[c]`: each task's value is the mean over the seeds. null where the method has no such metric. */
  cells: (RunTableCell | null)[];
  /** This method − the reference, task by task; null for the reference itself. */
  differences: (RunTableCell | null)[];
  /** Standard deviation of the seeds' means; null with fewer than two seeds. */
  seedDeviations: (number | null)[];
  /** Mean over the seeds of the validation metric. */
  validation: number | null;
  /** Median, largest, median over the runs. */
  trainSeconds: number | null;
  peakBytes: number | null;
  adaptMicroseconds: number | null;
  parameters: number | null;
}

/** A comparison as plain JSON. */
export interface RunTable {
  /** The first method that has a result: the others' differences are to it. */
  reference: string;
  /** Metric of the column `validation`. */
  validationMetric: string | null;
  /** The learner with the best mean on the validation tasks. */
  chosen: string | null;
  columns: { set: string; metric: string; better: ResultTable['columns'][number]['better'] }[];
  methods: RunTableRow[];
  /** What has to be known to read it, a sentence each: what held-out items were ranked among. */
  notes?: readonly string[];
}

/**
 * Takes runs together, one row a method, in the order of first appearance. Intervals are over the tasks, on the mean of the
 * seeds; what one seed more or less does is beside them as a deviation.
 *
 * @param runs all on the same tasks, as `innerloop compare` makes them
 * @param validationMetric what learners are chosen by. Default: the first of the runs' validation metrics
 * @throws {InnerloopError} EMPTY_DATA without runs, INVALID_OPTION for runs on different tasks
 */
export function compareRuns(runs: readonly MethodRun[], validationMetric?: string): RunTable {
  checkArray(runs, 'runs', 'runs');
  for (const [k, run] of runs.entries()) checkRun(run, `runs[${k}]`);
  if (validationMetric !== undefined) checkString(validationMetric, 'validationMetric');
  if (runs.length === 0) throw new InnerloopError('EMPTY_DATA', 'no runs', { field: 'runs' });
  checkSameTasks(runs);
  const names = [...new Set(runs.map(({ method }) => method))];
  const of = new Map(
    names.map((name) => [name, runs.filter(({ method, failed }) => method === name && failed === undefined)]),
  );
  const columns = columnsOf(runs);
  const metric = validationMetric ?? runs.flatMap(({ validation }) => Object.keys(validation))[0];

  const perTask = names.map((name) => columns.map(({ set, metric }) => meanOverSeeds(of.get(name)!, set, metric)));
  const cells = intervals(columns, perTask);
  const first = Math.max(
    0,
    names.findIndex((name) => of.get(name)!.length > 0),
  );
  const differences = intervals(
    columns,
    perTask.map((values, m) => values.map((own, c) => (m === first ? undefined : difference(own, perTask[first][c])))),
  );

  const methods = names.map((method, m): RunTableRow => {
    const done = of.get(method)!;
    const all = runs.filter((run) => run.method === method);
    const valid = metric === undefined ? [] : done.flatMap(({ validation }) => validation[metric] ?? []);
    return {
      method,
      kind: all[0].kind,
      seeds: done.map(({ seed }) => seed),
      failures: all.flatMap(({ failed, seed }) =>
        failed === undefined ? [] : [`${seed === null ? '' : `seed ${seed}: `}${failed.code} ${failed.message}`],
      ),
      cells: cells[m],
      differences: differences[m],
      seedDeviations: columns.map(({ set, metric }) =>
        deviation(done.flatMap(({ sets }) => (sets[set]?.[metric] === undefined ? [] : [meanOf(sets[set][metric])]))),
      ),
      validation: valid.length === 0 ? null : meanOf(valid),
      trainSeconds: median(done.map(({ trainSeconds }) => trainSeconds)),
      peakBytes: done.length === 0 ? null : Math.max(...done.map(({ memory }) => memory.peak)),
      adaptMicroseconds: median(done.flatMap(({ adaptMicroseconds }) => adaptMicroseconds ?? [])),
      parameters: done[0]?.parameters ?? null,
    };
  });
  return {
    reference: names[first],
    validationMetric: metric ?? null,
    chosen: choose(methods, metric),
    columns,
    methods,
  };
}

function checkRun(run: unknown, field: string): asserts run is MethodRun {
  const { method, kind, sets, validation, memory } = (run ?? {}) as Partial<MethodRun>;
  const isObject = (value: unknown) => typeof value === 'object' && value !== null;
  const isRun =
    typeof method === 'string' &&
    (kind === 'learner' || kind === 'baseline') &&
    [sets, validation, memory].every(isObject) &&
    Object.values(sets!).every((metrics) => isObject(metrics) && Object.values(metrics).every(Array.isArray));
  if (!isRun) throw invalid(field, 'not a run', run, 'a run of innerloop compare');
}

function columnsOf(runs: readonly MethodRun[]): RunTable['columns'] {
  const names = new Map<string, Set<string>>();
  for (const { sets } of runs) {
    for (const [set, metrics] of Object.entries(sets))
      names.set(set, new Set([...(names.get(set) ?? []), ...Object.keys(metrics)]));
  }
  return [...names].flatMap(([set, metrics]) =>
    [...metrics].map((metric) => ({ set, metric, better: betterOf(metric) })),
  );
}

/** Of `mae`, and of what is made of it: `mae, median`. */
function betterOf(metric: string): ResultTable['columns'][number]['better'] {
  const name = metric.split(',')[0];
  return resultTable([{ method: '', metrics: { [name]: { mean: 0, low: 0, high: 0, tasks: 0 } } }]).columns[0].better;
}

/** One value a task: the mean over the seeds; NaN where a seed has none. */
function meanOverSeeds(runs: readonly MethodRun[], set: string, metric: string): Float64Array | undefined {
  const lists = runs.flatMap(({ sets }) => (sets[set]?.[metric] === undefined ? [] : [sets[set][metric]]));
  if (lists.length === 0) return undefined;
  return Float64Array.from(lists[0], (_, t) => lists.reduce((sum, list) => sum + (list[t] ?? NaN), 0) / lists.length);
}

function checkSameTasks(runs: readonly MethodRun[]): void {
  const sizes = new Map<string, number>();
  for (const { method, sets } of runs) {
    for (const [set, metrics] of Object.entries(sets)) {
      for (const [metric, { length }] of Object.entries(metrics)) {
        const size = sizes.get(set) ?? length;
        sizes.set(set, size);
        if (length !== size)
          throw invalid(`${method}.${set}.${metric}`, 'on other tasks', length, `${size} tasks, as the runs before`);
      }
    }
  }
}

function difference(own: Float64Array | undefined, reference: Float64Array | undefined): Float64Array | undefined {
  return own === undefined || reference === undefined ? undefined : own.map((value, t) => value - reference[t]);
}

/** Intervals of all methods' values; the draws of a set are shared by its columns. */
function intervals(columns: RunTable['columns'], perTask: (Float64Array | undefined)[][]): (RunTableCell | null)[][] {
  const result = perTask.map((values) => values.map((): RunTableCell | null => null));
  for (const set of new Set(columns.map((column) => column.set))) {
    const places = perTask.flatMap((values, m) =>
      columns.flatMap((column, c) => (column.set === set && values[c] !== undefined ? [[m, c] as const] : [])),
    );
    const found = bootstrapIntervals(places.map(([m, c]) => perTask[m][c]!));
    places.forEach(([m, c], i) => {
      const { mean, low, high, tasks } = found[i];
      if (tasks > 0) result[m][c] = { mean, low: orNull(low), high: orNull(high), tasks };
    });
  }
  return result;
}

function choose(methods: readonly RunTableRow[], metric: string | undefined): string | null {
  if (metric === undefined) return null;
  const sign = betterOf(metric) === 'lower' ? 1 : -1;
  const learners = methods.filter(({ kind, validation }) => kind === 'learner' && validation !== null);
  return learners.sort((a, b) => sign * (a.validation! - b.validation!))[0]?.method ?? null;
}

const orNull = (value: number) => (Number.isFinite(value) ? value : null);

function meanOf(values: readonly (number | null)[]): number {
  const defined = values.filter((value) => value !== null);
  return defined.reduce((sum, value) => sum + value, 0) / defined.length;
}

function deviation(means: readonly number[]): number | null {
  if (means.length < 2) return null;
  const mean = meanOf(means);
  return orNull(Math.sqrt(means.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (means.length - 1)));
}

/** null of none. @internal */
export function median(values: readonly number[]): number | null {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length / 2;
  return (sorted[Math.ceil(half) - 1] + sorted[Math.floor(half)]) / 2;
}
