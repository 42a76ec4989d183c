import { checkString, invalid } from '../foundation/check.js';
import type { Dataset, TaskSet } from '../foundation/contract.js';
import { InnerloopError, suggesting } from '../foundation/errors.js';
import { resolveOptions } from '../foundation/options.js';
import { pairedDifference } from '../evaluation/intervals.js';
import type { MetricResult } from '../evaluation/metrics.js';
import { groupRows } from '../foundation/group-rows.js';
import type { Learner } from '../learner/learner.js';
import { random } from '../foundation/random.js';
import { buildTasks, joinTasks } from '../tasks/index.js';
import { keyColumn } from '../tasks/key.js';
import { TaskSetBuilder } from '../tasks/task-set-builder.js';
import { train } from '../training/train.js';
import type { TrainOptions } from '../training/train.js';
import { betterOf, checkLearner, measure, metricOf, seriesOf, tableOf } from './scenario.js';
import { CROSS_DOMAIN_OPTIONS, LEAST_HISTORY } from './options.js';
import type { CrossDomainOptions } from './option-types.js';
import type { Scenario } from './scenario.js';

/**
 * Measures cross-domain transfer: test users are new to the target domain and known in the source domain. The domains share users
 * but not items. Without common features of items, only two things can transfer: a user's history, through a learner that was
 * trained on users with items of both domains, and a user's level of ratings. Three learners are trained, none on a row of a test
 * user:
 *
 * - `target`: on target rows only;
 * - `source`: on source rows only, then adapted in the target, whose items it does not know;
 * - `joint`: tasks whose support are source rows and some target rows, and whose query are target rows.
 *
 * All are measured on the same target query rows after k target shots, with and without the source history in the support.
 *
 * @throws {InnerloopError} INVALID_OPTION, UNKNOWN_OPTION, MISSING_COLUMN, EMPTY_DATA, DIVERGED, ABORTED
 */
export async function crossDomain(dataset: Dataset, options: CrossDomainOptions): Promise<Scenario> {
  const field = 'crossDomain';
  const { shots, query, history, test, seed, signal } = resolveOptions(options, field, CROSS_DOMAIN_OPTIONS);
  const domains = splitDomains(dataset, options, field);
  const most = shots[shots.length - 1];
  const eligible = Int32Array.from({ length: dataset.users.rows }, (_, user) => user).filter(
    (user) => domains.source.of(user).length >= LEAST_HISTORY && domains.target.of(user).length >= most + query,
  );
  random(seed, 'scenario.crossDomain').shuffle(eligible);
  const testUsers = eligible.slice(0, Math.round(test * eligible.length)).sort();
  if (testUsers.length < 2) {
    const what = `${eligible.length} users have ${LEAST_HISTORY} source and ${most + query} target rows`;
    throw new InnerloopError('EMPTY_DATA', what, { field, expected: 'more of them, or fewer shots' });
  }
  const isTest = new Uint8Array(dataset.users.rows);
  for (const user of testUsers) isTest[user] = 1;
  const trainable = ({ rows }: Domain) => rows.filter((row) => isTest[dataset.user[row]] === 0);
  const training = { source: trainable(domains.source), target: trainable(domains.target) };

  const sizes = { min: 4, query: { fraction: 0.5 }, seed } as const;
  const targetTasks = buildTasks(dataset, { ...sizes, rows: training.target });
  const fit = async (rows: Int32Array, tasks: TaskSet, more: TrainOptions = {}): Promise<Learner> => {
    const learner = await options.learner(rows);
    checkLearner(learner, `${field}.learner()`);
    for await (const _ of train(learner, tasks, { ...options.train, ...more, signal })) continue;
    return learner;
  };
  const target = await fit(training.target, targetTasks);
  const source = await fit(training.source, buildTasks(dataset, { ...sizes, rows: training.source }));
  const crossing = crossTasks(dataset, domains, (user) => isTest[user] === 0, shots, history, seed);
  // Support and query rows belong to different domains, so they must not be drawn again in every epoch.
  const joint = await fit(joinRows(training.source, training.target), joinTasks([crossing, targetTasks]), {
    redraw: false,
  });

  const metric = metricOf(target, options.metric, `${field}.metric`);
  const points = (k: number, withHistory: boolean) =>
    testTasks(dataset, domains, testUsers, k, most, query, withHistory ? history : 0, seed);
  const methods: { name: string; learner: Learner; history: boolean }[] = [
    { name: 'target', learner: target, history: false },
    { name: 'target, source history', learner: target, history: true },
    { name: 'source', learner: source, history: false },
    { name: 'source, source history', learner: source, history: true },
    { name: 'joint', learner: joint, history: false },
    { name: 'joint, source history', learner: joint, history: true },
  ];
  const measured: MetricResult[][] = [];
  for (const { learner, history: withHistory } of methods) {
    const results: MetricResult[] = [];
    for (const k of shots) {
      const when = k === 0 && !withHistory ? 'before' : 'after';
      results.push((await measure(learner, points(k, withHistory), [metric], { when }, signal))[metric]);
    }
    measured.push(results);
  }
  const [targetOnly, , , , , jointHistory] = measured;
  const notes = [
    `${testUsers.length} test users of ${eligible.length} with enough rows in both domains; ${crossing.size} crossing training tasks`,
    ...shots.map((k, i) => {
      const { mean, low, high } = pairedDifference(jointHistory[i], targetOnly[i]);
      return `${k} shots, joint with source history − target: ${metric} ${mean.toFixed(4)} (95 % interval ${low.toFixed(4)} to ${high.toFixed(4)})`;
    }),
  ];
  const columns = shots.map((k) => ({
    metric: `${metric}, ${k} ${k === 1 ? 'shot' : 'shots'}`,
    better: betterOf(metric),
  }));
  const title = `${metric} in ${options.target} after ${options.source}`;
  return {
    name: 'cross-domain',
    tables: [
      tableOf(
        title,
        columns,
        methods.map(({ name }, m) => [name, measured[m]]),
      ),
    ],
    charts: [
      {
        title,
        x: 'target support rows',
        y: metric,
        series: methods.map(({ name }, m) =>
          seriesOf(
            name,
            measured[m].map((result, i) => [shots[i], result]),
          ),
        ),
      },
    ],
    notes,
  };
}

interface Domain {
  rows: Int32Array;
  /** Rows of a user. */
  of(user: number): Int32Array;
}
type Domains = Record<'source' | 'target', Domain>;

function splitDomains(dataset: Dataset, options: CrossDomainOptions, field: string): Domains {
  checkString(options.column, `${field}.column`);
  const { column, index } = keyColumn(dataset, options.column, `${field}.column`);
  if (column.kind !== 'categorical')
    throw invalid(`${field}.column`, 'is no categorical column', options.column, 'one domain a row');
  const domain = (side: 'source' | 'target'): Domain => {
    checkString(options[side], `${field}.${side}`);
    const id = column.vocabulary.values.indexOf(options[side], 1);
    if (id < 0) {
      const names = column.vocabulary.values.slice(1);
      throw invalid(
        `${field}.${side}`,
        suggesting('no such domain', options[side], names),
        options[side],
        `one of ${names.slice(0, 20).join(', ')}`,
      );
    }
    const all = Int32Array.from({ length: dataset.size }, (_, row) => row);
    const rows = all.filter((row) => column.data[index === undefined ? row : index[row]] === id);
    const { order, offsets } = groupRows(dataset.user, dataset.users.rows, rows);
    return { rows, of: (user) => order.slice(offsets[user], offsets[user + 1]) };
  };
  if (options.source === options.target)
    throw invalid(`${field}.target`, 'is the source', options.target, 'another domain');
  return { source: domain('source'), target: domain('target') };
}

/** For every user with both domains, a task at each number of shots that leaves query rows, as for test users. */
function crossTasks(
  dataset: Dataset,
  { source, target }: Domains,
  trains: (user: number) => boolean,
  shots: readonly number[],
  history: number,
  seed: number,
): TaskSet {
  const tasks = new TaskSetBuilder();
  for (let user = 1; user < dataset.users.rows; user++) {
    if (!trains(user)) continue;
    const own = source.of(user);
    const wanted = target.of(user);
    if (own.length < LEAST_HISTORY) continue;
    shots.forEach((k, i) => {
      if (wanted.length < k + 2) return;
      const stream = random(seed, `scenario.crossDomain.${i}`, user);
      const past = last(stream.sample(own, Math.min(own.length, history)), history);
      stream.shuffle(wanted);
      tasks.add(
        `${dataset.users.keys.values[user]}:${k}`,
        user,
        joinRows(past, wanted.subarray(0, k)),
        wanted.slice(k).sort(),
      );
    });
  }
  return tasks.build(dataset);
}

/** Makes tasks with the same query rows and history at every k, and with nested shots. */
function testTasks(
  dataset: Dataset,
  { source, target }: Domains,
  users: Int32Array,
  k: number,
  most: number,
  query: number,
  history: number,
  seed: number,
): TaskSet {
  const tasks = new TaskSetBuilder();
  for (const user of users) {
    const stream = random(seed, 'scenario.crossDomain.test', user);
    const wanted = stream.shuffle(target.of(user));
    const past = history === 0 ? new Int32Array(0) : last(stream.shuffle(source.of(user)), history);
    tasks.add(
      dataset.users.keys.values[user],
      user,
      joinRows(past, wanted.subarray(0, k)),
      wanted.slice(most, most + query).sort(),
    );
  }
  return tasks.build(dataset);
}

const last = (rows: Int32Array, count: number) => rows.slice(Math.max(0, rows.length - count));

function joinRows(a: Int32Array, b: Int32Array): Int32Array {
  const joined = new Int32Array(a.length + b.length);
  joined.set(a);
  joined.set(b, a.length);
  return joined.sort();
}
