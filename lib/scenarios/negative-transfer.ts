import { checkNumber } from '../foundation/check.js';
import type { TaskSet } from '../foundation/contract.js';
import { InnerloopError } from '../foundation/errors.js';
import { resolveOptions } from '../foundation/options.js';
import { meanInterval, pairedDifference } from '../evaluation/intervals.js';
import type { Learner } from '../learner/learner.js';
import { lossOf } from '../model/losses.js';
import { random } from '../foundation/random.js';
import { TaskSetBuilder } from '../tasks/task-set-builder.js';
import { checkTaskSet } from '../tasks/check.js';
import { gradientAlignment } from './alignment.js';
import { betterOf, checkLearner, measureOutputs, metricOf, seriesOf, tableOf } from './scenario.js';
import { NEGATIVE_TRANSFER_OPTIONS, SHRINKAGE_OPTIONS } from './options.js';
import type { NegativeTransferOptions, ShrinkageOptions } from './option-types.js';
import type { Scenario } from './scenario.js';

/**
 * Shrinkage of predictions towards those before adaptation: b + λ(n)·(a − b), where b and a are the outputs before and after
 * adaptation to n support rows and λ(n) = n / (n + c), as a posterior mean weighs n observations against a prior worth c.
 */
export interface Shrinkage {
  /** How many support rows the outputs before adaptation count as. */
  c: number;
  /** λ(n) for n support rows. */
  readonly weight: (rows: number) => number;
}

const SHRINKAGES = [0, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128];
/** The most support rows of a task that are held out in turn: enough to see whether adaptation helps, few enough to be cheap. */
const GATE_ROWS = 10;

/**
 * Measures which tasks adaptation hurts, and two remedies. For every task, the metric after adaptation is compared with that before
 * it. The remedies are to shrink predictions towards the unadapted ones by support size ({@link fitShrinkage}), and a gate that skips
 * adaptation if it does not predict a task's own support rows better, each held out in turn.
 *
 * If the error is convex in the prediction, the error of a shrunken prediction is at most the weighted mean of those before and after
 * adaptation, so shrinkage hurts no task that full adaptation helps.
 *
 * @param tasks that were not trained on
 * @throws {InnerloopError} INVALID_OPTION, UNKNOWN_OPTION, UNSUPPORTED (a model with several outputs), DIVERGED, ABORTED
 */
export async function negativeTransfer(
  learner: Learner,
  tasks: TaskSet,
  options: NegativeTransferOptions = {},
): Promise<Scenario> {
  const field = 'negativeTransfer';
  const { validation, column, signal } = resolveOptions(options, field, NEGATIVE_TRANSFER_OPTIONS);
  checkLearner(learner);
  checkTaskSet(tasks, 'tasks');
  const metric = metricOf(learner, options.metric, `${field}.metric`);
  const better = betterOf(metric);

  const [before, after] = [
    await learner.outputs(tasks, 'before', signal),
    await learner.outputs(tasks, 'after', signal),
  ];
  const valueOf = (outputs: Float64Array) => measureOutputs(learner, tasks, outputs, [metric])[metric];
  const base = valueOf(before);
  const methods = [
    { name: 'not adapted', result: base },
    { name: 'adapted', result: valueOf(after) },
  ];
  const scenario: Scenario = { name: 'negative-transfer', tables: [], charts: [], notes: [] };
  const gates = await gatesOf(learner, tasks, signal);
  const remedy = (name: string, weight: (rows: number, task: number) => number) =>
    methods.push({ name, result: valueOf(blend(tasks, before, after, weight)) });
  if (validation !== undefined) {
    const { c, weight } = await fitShrinkage(learner, validation, { metric, signal });
    remedy(`adapted, shrunk (c = ${c})`, weight);
    // With c = 0 there is no shrinkage, and this would be the same as the gate alone.
    if (c > 0 && gates !== undefined) remedy('adapted, shrunk and gated', (rows, t) => weight(rows) * gates[t]);
  }
  if (gates !== undefined) remedy('adapted, gated', (_, t) => gates[t]);

  const harmOf = (perTask: Float64Array) =>
    perTask.map((value, t) => Math.max(0, better === 'lower' ? value - base.perTask[t] : base.perTask[t] - value));
  const hurt = (perTask: Float64Array) => harmOf(perTask).map((harm) => (Number.isNaN(harm) ? harm : Number(harm > 0)));
  scenario.tables.push(
    tableOf(
      `whom adaptation hurts, by ${metric}`,
      [
        { metric, better },
        { metric: 'share hurt', better: 'lower' },
        { metric: 'harm', better: 'lower' },
      ],
      methods.map(({ name, result }) => [
        name,
        [result, meanInterval(hurt(result.perTask)), meanInterval(harmOf(result.perTask))],
      ]),
    ),
  );
  const full = methods[1].result;
  for (const { name, result } of methods.slice(2)) {
    const { mean, low, high } = pairedDifference(result, full);
    scenario.notes.push(
      `${name}: ${metric} ${signed(mean)} against full adaptation (95 % interval ${signed(low)} to ${signed(high)})`,
    );
  }
  const bins = binsOf(tasks);
  scenario.charts.push({
    title: 'share of tasks that adaptation hurts',
    x: 'support rows',
    y: 'share',
    series: methods.slice(1).map(({ name, result }) => {
      const flags = hurt(result.perTask);
      return seriesOf(
        name,
        bins.map(({ rows, members }) => [rows, meanInterval(Float64Array.from(members, (t) => flags[t]))]),
      );
    }),
  });
  if (column !== undefined) {
    const { table, within, between } = await gradientAlignment(learner, tasks, { column, signal });
    scenario.tables.push(table);
    scenario.notes.push(
      `meta-gradients: mean cosine ${within.toFixed(3)} within a value of ${column}, ${between.toFixed(3)} between values`,
    );
  }
  return scenario;
}

const signed = (value: number) => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(4)}`;

/**
 * Chooses the c of {@link Shrinkage} with the best metric on validation tasks, among 0 (full adaptation), ¼, ½, 1 … 128.
 *
 * @throws {InnerloopError} INVALID_OPTION, UNKNOWN_OPTION, UNSUPPORTED (a model with several outputs), DIVERGED, ABORTED
 */
export async function fitShrinkage(
  learner: Learner,
  tasks: TaskSet,
  options: ShrinkageOptions = {},
): Promise<Shrinkage> {
  const given = resolveOptions(options, 'fitShrinkage', SHRINKAGE_OPTIONS);
  checkLearner(learner);
  checkTaskSet(tasks, 'tasks');
  const metric = metricOf(learner, given.metric, 'fitShrinkage.metric');
  checkOneOutput(learner);
  const [before, after] = [
    await learner.outputs(tasks, 'before', given.signal),
    await learner.outputs(tasks, 'after', given.signal),
  ];
  const sign = betterOf(metric) === 'lower' ? 1 : -1;
  let best = { c: 0, value: Number.POSITIVE_INFINITY };
  for (const c of SHRINKAGES) {
    const outputs = blend(tasks, before, after, (n) => weightOf(n, c));
    const value = sign * measureOutputs(learner, tasks, outputs, [metric])[metric].mean;
    checkNumber(value, metric);
    if (value < best.value) best = { c, value };
  }
  const { c } = best;
  return { c, weight: (rows) => weightOf(rows, c) };
}

const weightOf = (rows: number, c: number) => (rows === 0 ? 0 : rows / (rows + c));

/** before + λ_t·(after − before), where λ_t depends on the task's number of support rows or its number. */
function blend(
  tasks: TaskSet,
  before: Float64Array,
  after: Float64Array,
  weight: (rows: number, task: number) => number,
): Float64Array {
  const outputs = before.slice();
  for (let t = 0; t < tasks.size; t++) {
    const lambda = weight(tasks.supportOffsets[t + 1] - tasks.supportOffsets[t], t);
    for (let i = tasks.queryOffsets[t]; i < tasks.queryOffsets[t + 1]; i++)
      outputs[i] += lambda * (after[i] - before[i]);
  }
  return outputs;
}

/**
 * By task: 1 if adaptation to the other support rows predicts the held-out ones at least as well as the shared parameters, by the
 * mean cost of a row, else 0. Undefined for losses over groups of rows, in which a single held-out row has no cost.
 */
async function gatesOf(
  learner: Learner,
  tasks: TaskSet,
  signal: AbortSignal | undefined,
): Promise<Uint8Array | undefined> {
  checkOneOutput(learner);
  const cost = lossOf(learner.model.spec.head).rows?.cost;
  if (cost === undefined) return undefined;
  const { dataset, supportOffsets, supportRows } = tasks;
  const held = new TaskSetBuilder();
  const owner: number[] = [];
  for (let t = 0; t < tasks.size; t++) {
    const rows = supportRows.subarray(supportOffsets[t], supportOffsets[t + 1]);
    if (rows.length < 2) continue;
    const order = random(learner.seed, 'scenario.gate', t).shuffle(Int32Array.from(rows.keys()));
    for (const i of order.subarray(0, GATE_ROWS)) {
      held.add(
        tasks.keys[t],
        tasks.users[t],
        rows.filter((_, k) => k !== i),
        rows.slice(i, i + 1),
      );
      owner.push(t);
    }
  }
  const gates = new Uint8Array(tasks.size).fill(1);
  if (owner.length === 0) return gates;
  const left = held.build(dataset);
  const [before, after] = [await learner.outputs(left, 'before', signal), await learner.outputs(left, 'after', signal)];
  const gain = new Float64Array(tasks.size);
  owner.forEach((t, i) => {
    const y = dataset.label[left.queryRows[i]];
    gain[t] += cost(before[i], y) - cost(after[i], y);
  });
  return gates.map((_, t) => (gain[t] < 0 ? 0 : 1));
}

function checkOneOutput({ model }: Learner): void {
  if (model.mainOutputs === 1) return;
  throw new InnerloopError('UNSUPPORTED', 'predictions of several outputs are not blended', {
    field: 'model.head',
    value: model.mainOutputs,
    expected: 'a model with one output',
  });
}

const EDGES = [0, 2, 5, 10, 20, 50, 100, 200, Number.POSITIVE_INFINITY];

/** Bins of tasks by support size; `rows` is the mean size in a bin. */
function binsOf({ size, supportOffsets }: TaskSet): { rows: number; members: number[] }[] {
  const rows = Array.from({ length: size }, (_, t) => supportOffsets[t + 1] - supportOffsets[t]);
  return EDGES.slice(1).flatMap((high, b) => {
    const members = [...rows.keys()].filter((t) => rows[t] > EDGES[b] && rows[t] <= high);
    return members.length === 0
      ? []
      : [{ rows: members.reduce((sum, t) => sum + rows[t], 0) / members.length, members }];
  });
}
