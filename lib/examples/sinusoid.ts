/**
 * Few-shot regression of sinusoids, the first experiment of MAML (Finn, Abbeel & Levine 2017, section 5.1). A task is
 * y = A sin(x − φ) with amplitude A in [0.1, 5] and phase φ in [0, π]; K points with x in [−5, 5] are the support, and a network
 * 1 → 40 → 40 → 1 with relu has to give the rest of the curve. MAML trains it for one step of rate 0.01. Beside it stands the
 * paper's baseline: the same network trained on all tasks at once and then fine-tuned, at the step size that suits it best.
 *
 * Everything here is the public API, so it may be read as an example of tasks that are no dataset.
 */
import type { TaskExample } from '../foundation/contract.js';
import { defineModel } from '../model/model.js';
import type { Model } from '../model/model.js';
import { packTasks } from '../batch/batch.js';
import type { TaskBatch } from '../batch/batch.js';
import { metaGradient } from '../meta/meta-gradient.js';
import { adam } from '../meta/outer-update.js';
import { maml } from '../algorithms/maml.js';
import { createLearner } from '../learner/learner.js';
import type { Learner } from '../learner/learner.js';
import type { Interval } from '../evaluation/intervals.js';
import { joint } from '../algorithms/joint.js';
import { bootstrapIntervals } from '../compare/bootstrap.js';
import { random } from '../foundation/random.js';
import { trainStep } from '../training/train-step.js';

export interface SinusoidOptions {
  /** Support points per task; one network is meta-trained for each. Default [5, 10]. */
  shots?: readonly number[];
  /** Outer steps of 25 tasks. Default 70,000, as in the paper. */
  iterations?: number;
  /** Fresh tasks to test on. Default 600. */
  testTasks?: number;
  /** Default 1. */
  seed?: number;
  signal?: AbortSignal;
  /** Called with the share of the whole training done. */
  onProgress?: (progress: number) => void;
}
export interface SinusoidResult {
  method: 'MAML' | 'pretrained';
  shots: number;
  /** Rate of the steps at test time. */
  learningRate: number;
  /** Mean squared error on the test tasks after so many steps, with the 95 % bootstrap interval over tasks. */
  errors: { steps: number; mse: Interval }[];
}

const HIDDEN = [40, 40];
const META_BATCH = 25;
const INNER_RATE = 0.01;
const OUTER_RATE = 0.001;
/** Steps to test after; 0 is the network as it was trained. */
export const TEST_STEPS = [0, 1, 5, 10] as const;
/** Points of a curve that a test task's error is measured on. */
const TEST_POINTS = 100;
/** Step sizes to choose from for the pretrained network, on validation tasks of their own. */
const RATES = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05];

/**
 * Trains every network, side by side, and tests it.
 * @throws {InnerloopError} ABORTED
 */
export async function sinusoid(options: SinusoidOptions = {}): Promise<SinusoidResult[]> {
  const { shots = [5, 10], iterations = 70_000, testTasks = 600, seed = 1, signal, onProgress } = options;
  // Small tasks: a network on one thread, and all networks at once, keeps more cores busy than threads within a step.
  const model = defineModel(
    { inputs: [{ name: 'x', kind: 'dense', size: 1 }], body: { kind: 'mlp', hidden: HIDDEN }, head: { loss: 'mse' } },
    { threads: 1 },
  );
  const optimizer = adam({ learningRate: OUTER_RATE });
  const plain = createLearner({ model, algorithm: joint(), optimizer, seed });
  const learners = shots.map(() =>
    createLearner({ model, algorithm: maml({ steps: 1, learningRate: INNER_RATE }), optimizer, seed }),
  );
  const shares = new Float64Array(shots.length + 1);
  await Promise.all(
    [...learners, plain].map((learner, which) => {
      const points = shots[which] ?? Math.max(...shots);
      return fit(learner, points, iterations, seed, signal, (share) => {
        shares[which] = share;
        onProgress?.(shares.reduce((a, b) => a + b) / shares.length);
      });
    }),
  );
  const results: SinusoidResult[] = [];
  for (const [k, n] of shots.entries()) {
    const [test, validation] = ['test', 'validation'].map((stage) =>
      packTasks(model, drawTasks(testTasks, n, TEST_POINTS, seed, stage, n)),
    );
    const suited = await bestRate(model, plain, validation);
    results.push({
      method: 'MAML',
      shots: n,
      learningRate: INNER_RATE,
      errors: await errors(model, learners[k], test, INNER_RATE),
    });
    results.push({
      method: 'pretrained',
      shots: n,
      learningRate: suited,
      errors: await errors(model, plain, test, suited),
    });
  }
  return results;
}

async function fit(
  learner: Learner,
  shots: number,
  iterations: number,
  seed: number,
  signal: AbortSignal | undefined,
  onProgress: (share: number) => void,
): Promise<void> {
  for (let i = 0; i < iterations; i++) {
    const tasks = drawTasks(META_BATCH, shots, shots, seed, `train.${shots}`, i);
    await trainStep(learner, packTasks(learner.model, tasks), { signal });
    onProgress((i + 1) / iterations);
  }
}

function drawTasks(
  count: number,
  support: number,
  query: number,
  seed: number,
  stage: string,
  index: number,
): TaskExample[] {
  const stream = random(seed, `sinusoid.${stage}`, index);
  return Array.from({ length: count }, () => {
    const amplitude = 0.1 + 4.9 * stream.uniform();
    const phase = Math.PI * stream.uniform();
    const points = (n: number) => {
      const x = Array.from({ length: n }, () => [10 * stream.uniform() - 5]);
      return { inputs: { x }, labels: x.map(([at]) => amplitude * Math.sin(at - phase)) };
    };
    return { support: points(support), query: points(query) };
  });
}

/** The query loss of every task after so many steps. */
async function taskErrors(
  model: Model,
  learner: Learner,
  batch: TaskBatch,
  steps: number,
  learningRate: number,
): Promise<Float64Array> {
  const { taskLosses } = await metaGradient(model, learner.parameters(), batch, {
    steps,
    learningRate,
    adapt: 'all',
    order: 1,
  });
  return taskLosses;
}

async function errors(
  model: Model,
  learner: Learner,
  test: TaskBatch,
  learningRate: number,
): Promise<SinusoidResult['errors']> {
  const columns: Float64Array[] = [];
  for (const steps of TEST_STEPS) columns.push(await taskErrors(model, learner, test, steps, learningRate));
  const intervals = bootstrapIntervals(columns);
  return TEST_STEPS.map((steps, k) => ({ steps, mse: intervals[k] }));
}

/** The rate with the lowest error after the most steps. A rate that diverges is none. */
async function bestRate(model: Model, learner: Learner, validation: TaskBatch): Promise<number> {
  let best = { rate: RATES[0], error: Infinity };
  for (const rate of RATES) {
    const losses = await taskErrors(model, learner, validation, Math.max(...TEST_STEPS), rate).catch(() =>
      Float64Array.of(Infinity),
    );
    const error = losses.reduce((a, b) => a + b, 0) / losses.length;
    if (error < best.error) best = { rate, error };
  }
  return best.rate;
}
