import type { Dataset } from '../foundation/contract.js';
import { resolveOptions } from '../foundation/options.js';
import { random } from '../foundation/random.js';
import { checkTasks, checkTraining, groupRows, meanLabel, yieldToEventLoop } from './baseline.js';
import type { Baseline } from './baseline.js';
import { choleskySolve } from './cholesky.js';
import type { AlsFoldInOptions } from './option-types.js';
import { OPTIONS_OF } from './options.js';

/** Interactions between two turns of the event loop. */
const TURN = 50_000;

/**
 * Biased matrix factorisation μ + b_u + b_i + pᵤ·qᵢ by alternating least squares (Zhou et al. 2008), biases and factors
 * of a row solved together. A task's user is folded in by the same ridge regression on its support rows. An item that
 * training never saw has bias and factors 0.
 *
 * The time is linear in interactions × factors² × sweeps (under a second for a sweep over a million at 16 factors); the
 * event loop gets its turn after every 50,000 interactions.
 *
 * @throws ABORTED if the signal fires.
 */
export async function alsFoldIn(
  dataset: Dataset,
  trainRows: Int32Array,
  options: AlsFoldInOptions = {},
  signal?: AbortSignal,
): Promise<Baseline> {
  const {
    factors,
    regularization: ridge,
    biasRegularization: biasRidge,
    sweeps,
    seed,
  } = resolveOptions(options, 'alsFoldIn', OPTIONS_OF.alsFoldIn);
  checkTraining(dataset, trainRows);

  const mean = meanLabel(dataset, trainRows);
  const byUser = sideOf(dataset, trainRows, dataset.user, dataset.users.rows, dataset.item);
  const byItem = sideOf(dataset, trainRows, dataset.item, dataset.items.rows, dataset.user);
  const width = factors + 1;
  const users = new Float64Array(dataset.users.rows * width);
  const items = new Float64Array(dataset.items.rows * width);
  const noise = random(seed, 'alsFoldIn');
  for (let i = 0; i < users.length; i++) users[i] = i % width === 0 ? 0 : noise.normal() / Math.sqrt(factors);

  const solver = new RowSolver(factors, mean, ridge, biasRidge);
  for (let sweep = 0; sweep < sweeps; sweep++) {
    for (const [side, own, other] of [
      [byItem, items, users],
      [byUser, users, items],
    ] as const) {
      let nextTurn = 0;
      for (let g = 0; g < side.offsets.length - 1; g++) {
        if (side.offsets[g] >= nextTurn) {
          await yieldToEventLoop(signal);
          nextTurn = side.offsets[g] + TURN;
        }
        for (let e = side.offsets[g]; e < side.offsets[g + 1]; e++) solver.add(other, side.other[e], side.label[e]);
        solver.solve(own, g);
      }
    }
  }

  return {
    name: 'ALS',
    kind: 'classic',
    scores: 'label',
    predict(tasks) {
      checkTasks(dataset, tasks);
      const { item, label } = tasks.dataset;
      const fold = new RowSolver(factors, mean, ridge, biasRidge);
      const user = new Float64Array(width);
      const score = new Float64Array(tasks.queryRows.length);
      for (let t = 0; t < tasks.size; t++) {
        for (let s = tasks.supportOffsets[t]; s < tasks.supportOffsets[t + 1]; s++) {
          const row = tasks.supportRows[s];
          fold.add(items, item[row], label[row]);
        }
        fold.solve(user, 0);
        for (let q = tasks.queryOffsets[t]; q < tasks.queryOffsets[t + 1]; q++) {
          const at = item[tasks.queryRows[q]] * width;
          let sum = mean + user[0] + items[at];
          for (let f = 1; f < width; f++) sum += user[f] * items[at + f];
          score[q] = sum;
        }
      }
      return score;
    },
  };
}

/** Training interactions grouped by one side: entry e pairs the group with row `other[e]` of the other side. */
interface Side {
  offsets: Int32Array;
  other: Int32Array;
  label: Float64Array;
}

function sideOf(dataset: Dataset, rows: Int32Array, key: Int32Array, groups: number, otherOf: Int32Array): Side {
  const { offsets, entries } = groupRows(rows, key, groups);
  return {
    offsets,
    other: entries.map((row) => otherOf[row]),
    label: Float64Array.from(entries, (row) => dataset.label[row]),
  };
}

/** Rows that enter the system together; #flush is written out for this many. */
const BLOCK = 4;

/**
 * Ridge regression of one row's [bias, factors] on the other side's: design [1, q], target y − μ − b.
 * Vectors are stored as `[bias, factor 1 … factor d]`.
 */
class RowSolver {
  readonly #width: number;
  readonly #system: Float64Array; // width × width, lower triangle
  readonly #right: Float64Array; // width
  readonly #design: Float64Array; // BLOCK × width, rows not yet in the system
  readonly #target = new Float64Array(BLOCK);
  #pending = 0;
  #count = 0;

  constructor(
    factors: number,
    readonly mean: number,
    readonly ridge: number,
    readonly biasRidge: number,
  ) {
    this.#width = factors + 1;
    this.#system = new Float64Array(this.#width * this.#width);
    this.#right = new Float64Array(this.#width);
    this.#design = new Float64Array(BLOCK * this.#width);
  }

  add(other: Float64Array, row: number, label: number): void {
    const width = this.#width;
    const design = this.#design;
    const from = row * width;
    const to = this.#pending * width;
    design[to] = 1;
    for (let i = 1; i < width; i++) design[to + i] = other[from + i];
    this.#target[this.#pending] = label - this.mean - other[from];
    this.#count++;
    if (++this.#pending === BLOCK) this.#flush();
  }

  /** Rank-4 update of the system: one load and store of each entry for four rows instead of for each. */
  #flush(): void {
    const width = this.#width;
    const system = this.#system;
    const right = this.#right;
    const design = this.#design;
    const [target0, target1, target2, target3] = this.#target;
    const at1 = width;
    const at2 = 2 * width;
    const at3 = 3 * width;
    for (let i = 0; i < width; i++) {
      const value0 = design[i];
      const value1 = design[at1 + i];
      const value2 = design[at2 + i];
      const value3 = design[at3 + i];
      const base = i * width;
      for (let j = 0; j <= i; j++) {
        system[base + j] +=
          value0 * design[j] + value1 * design[at1 + j] + value2 * design[at2 + j] + value3 * design[at3 + j];
      }
      right[i] += value0 * target0 + value1 * target1 + value2 * target2 + value3 * target3;
    }
    this.#pending = 0;
  }

  /** Writes the solution to row `row` of `out` (0 without data) and starts afresh. */
  solve(out: Float64Array, row: number): void {
    const width = this.#width;
    if (this.#count > 0) {
      this.#design.fill(0, this.#pending * width);
      this.#target.fill(0, this.#pending);
      this.#flush();
      this.#system[0] += this.biasRidge;
      for (let i = 1; i < width; i++) this.#system[i * width + i] += this.ridge * this.#count;
      choleskySolve(this.#system, this.#right, width);
    }
    out.set(this.#right, row * width);
    this.#system.fill(0);
    this.#right.fill(0);
    this.#count = 0;
  }
}
