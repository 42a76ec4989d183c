/** Many methods on the same tasks: what each run left, taken together into one table with intervals and paired differences. */
import { invalid, checkArray, checkString } from '../foundation/check.js';
import { bootstrapIntervals } from './bootstrap.js';
import { InnerloopError } from '../foundation/errors.js';
import { bothHalves, meanOf, pool, splitOf, taskNames } from './pool.js';
import type { Pooled } from './pool.js';
import { resultTable } from '../evaluation/result-table.js';
import type { ResultTable } from '../evaluation/result-table.js';

/** One run of one method, as plain JSON: of a learner with one seed, or of a baseline. */
export interface MethodRun {
  /** The method's name, the same for all of its seeds. */
  method: string;
  /** `chance`: one value for every row, which a learner has to be better than. */
  kind: 'learner' | 'baseline' | 'chance';
  /** null for a baseline: it draws nothing. */
  seed: number | null;
  /** Seed of the split that it was on. Default: all on one. */
  split?: number;
  /** By reported set, the names of its tasks: what a task of several splits is known by. */
  tasks?: Record<string, readonly string[]>;
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

/** A mean over tasks with its interval. */
export interface RunTableCell {
  /** Mean over the tasks. */
  mean: number;
  /** Lower end of the 95 % bootstrap interval over tasks; null with fewer than two. */
  low: number | null;
  /** Upper end of the interval; null with fewer than two tasks. */
  high: number | null;
  /** Tasks on which the metric is defined. */
  tasks: number;
}
/** A method of a comparison. */
export interface RunTableRow {
  /** The method's name. */
  method: string;
  /** What the method is: a learner, a baseline, or one of a learner's controls. */
  kind: MethodRun['kind'];
  /** Runs that gave a result. */
  seeds: (number | null)[];
  /** One text for each run that gave none. */
  failures: string[];
  /** By column, the mean of the runs that did not fail, where some did: they are no `cells`, being a selection of the good ones. */
  surviving: (number | null)[];
  /** Of a learner: whether it is no better than {@link MethodRun.kind} `chance` by the metric that is chosen by; null where that is not known. */
  atChance: boolean | null;
  /** `cells[c]` belongs to `columns[c]`: each task's value is the mean over the seeds. null where the method has no such metric, or a run failed. */
  cells: (RunTableCell | null)[];
  /** This method − the reference, task by task; null for the reference itself. */
  differences: (RunTableCell | null)[];
  /** Standard deviation of the seeds' means; null with fewer than two seeds. */
  seedDeviations: (number | null)[];
  /** Standard deviation of the splits' means; null with one split. */
  splitDeviations: (number | null)[];
  /** Mean over the seeds of the validation metric. */
  validation: number | null;
  /** Median seconds of training over the runs; null for what is not trained. */
  trainSeconds: number | null;
  /** Largest memory of a run's process, in bytes. */
  peakBytes: number | null;
  /** Median microseconds that adapting to one task takes. */
  adaptMicroseconds: number | null;
  /** Numbers that the model learns. */
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
  /** The metrics, each on one set of tasks, and which way is better. */
  columns: { set: string; metric: string; better: ResultTable['columns'][number]['better'] }[];
  /** The methods, a row each. */
  methods: RunTableRow[];
  /** What has to be known to read it, a sentence each: what held-out items were ranked among. */
  notes?: readonly string[];
}

/**
 * Takes runs together, one row a method, in the order of first appearance. Intervals are over the tasks, on the mean of the
 * seeds and splits, widened by what the spread of the seeds adds (in quadrature). A method of which a run failed has no mean.
 *
 * @param runs on each split all on the same tasks, as `innerloop compare` makes them
 * @param validationMetric what learners are chosen by. Default: the first of the runs' validation metrics
 * @throws {InnerloopError} EMPTY_DATA without runs, INVALID_OPTION for runs on different tasks
 */
export function compareRuns(runs: readonly MethodRun[], validationMetric?: string): RunTable {
  checkArray(runs, 'runs', 'runs');
  for (const [k, run] of runs.entries()) checkRun(run, `runs[${k}]`);
  if (validationMetric !== undefined) checkString(validationMetric, 'validationMetric');
  if (runs.length === 0) throw new InnerloopError('EMPTY_DATA', 'no runs', { field: 'runs' });
  checkSameTasks(runs);
  const compared = runs.filter(({ kind }) => kind !== 'chance');
  const names = [...new Set(compared.map(({ method }) => method))];
  const of = new Map(
    names.map((name) => [name, runs.filter(({ method, failed }) => method === name && failed === undefined)]),
  );
  const columns = columnsOf(compared);
  const metric = validationMetric ?? compared.flatMap(({ validation }) => Object.keys(validation))[0];
  const tasks = new Map(columns.map(({ set }) => [set, taskNames(runs, set)]));
  const pooledOf = (own: readonly MethodRun[]) =>
    columns.map(({ set, metric: name }) => pool(own, set, name, tasks.get(set)));
  const isWhole = (name: string) => !runs.some(({ method, failed }) => method === name && failed !== undefined);

  const surviving = names.map((name) => pooledOf(of.get(name)!));
  const pooled = surviving.map((own, m) => (isWhole(names[m]) ? own : own.map(() => undefined)));
  const cells = widened(
    intervals(
      columns,
      pooled.map((own) => own.map((each) => each?.values)),
    ),
    (m, c) => pooled[m][c]!.seedHalf,
  );
  const first = Math.max(
    0,
    pooled.findIndex((own) => own.some((each) => each !== undefined)),
  );
  const minus = (reference: readonly (Pooled | undefined)[], except: number) =>
    intervals(
      columns,
      pooled.map((own, m) =>
        own.map((each, c) => (m === except ? undefined : difference(each?.values, reference[c]?.values))),
      ),
    );
  const differences = widened(minus(pooled[first], first), (m, c) => bothHalves(pooled[m][c]!, pooled[first][c]!));
  const chance = runs.filter(({ kind }) => kind === 'chance');
  // Of the tasks alone: whether they tell a learner from chance is no question of its seeds.
  const toChance = chance.length === 0 ? undefined : minus(pooledOf(chance), -1);
  const deciding = Math.max(
    0,
    columns.findIndex((column) => column.metric === metric),
  );

  const methods = names.map((method, m): RunTableRow => {
    const done = of.get(method)!;
    const all = runs.filter((run) => run.method === method);
    const valid = metric === undefined ? [] : done.flatMap(({ validation }) => validation[metric] ?? []);
    return {
      method,
      kind: all[0].kind,
      seeds: [...new Set(done.map(({ seed }) => seed))],
      failures: all.flatMap((run) =>
        run.failed === undefined ? [] : [`${whichRun(run)}${run.failed.code} ${run.failed.message}`],
      ),
      surviving: surviving[m].map((each) =>
        isWhole(method) || each === undefined ? null : meanOf([...each.values].filter((value) => !Number.isNaN(value))),
      ),
      atChance:
        toChance === undefined || all[0].kind !== 'learner'
          ? null
          : isAtChance(toChance[m][deciding], columns[deciding]?.better),
      cells: cells[m],
      differences: differences[m],
      seedDeviations: pooled[m].map((each) => each?.seedDeviation ?? null),
      splitDeviations: pooled[m].map((each) => each?.splitDeviation ?? null),
      validation: valid.length === 0 || !isWhole(method) ? null : meanOf(valid),
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
    (kind === 'learner' || kind === 'baseline' || kind === 'chance') &&
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

const whichRun = ({ seed, split }: MethodRun) =>
  [...(split === undefined ? [] : [`split ${split}`]), ...(seed === null ? [] : [`seed ${seed}`])]
    .join(', ')
    .replace(/.$/, '$&: ');

/** No better than one value for every row, as far as these tasks show; null without the metric. */
function isAtChance(
  cell: RunTableCell | null,
  better: RunTable['columns'][number]['better'] | undefined,
): boolean | null {
  if (cell === null || (better !== 'lower' && better !== 'higher')) return null;
  const [low, high] = [cell.low ?? cell.mean, cell.high ?? cell.mean];
  return better === 'lower' ? high >= 0 : low <= 0;
}

/** Intervals with what the seeds add, in quadrature on either side. */
function widened(
  cells: (RunTableCell | null)[][],
  half: (method: number, column: number) => number,
): (RunTableCell | null)[][] {
  return cells.map((row, m) =>
    row.map((cell, c) => {
      if (cell === null || cell.low === null || cell.high === null) return cell;
      const more = half(m, c);
      return {
        ...cell,
        low: cell.mean - Math.hypot(cell.mean - cell.low, more),
        high: cell.mean + Math.hypot(cell.high - cell.mean, more),
      };
    }),
  );
}

function checkSameTasks(runs: readonly MethodRun[]): void {
  const several = new Set(runs.map(splitOf)).size > 1;
  const sizes = new Map<string, number>();
  for (const run of runs) {
    for (const [set, metrics] of Object.entries(run.sets)) {
      for (const [metric, { length }] of Object.entries(metrics)) {
        const key = `${splitOf(run)} ${set}`;
        const size = sizes.get(key) ?? length;
        sizes.set(key, size);
        const field = `${run.method}.${set}.${metric}`;
        if (length !== size) throw invalid(field, 'on other tasks', length, `${size} tasks, as the runs before`);
        if (several && run.tasks?.[set]?.length !== length)
          throw invalid(field, 'of several splits without the names of its tasks', run.tasks?.[set], `${length} names`);
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

/** null of none. @internal */
export function median(values: readonly number[]): number | null {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length / 2;
  return (sorted[Math.ceil(half) - 1] + sorted[Math.floor(half)]) / 2;
}
