import { runNative } from '../foundation/addon.js';
import type { TaskSet } from '../foundation/contract.js';
import { groupRows } from '../foundation/group-rows.js';
import type { Learner } from '../learner/learner.js';
import { random } from '../foundation/random.js';
import { packTaskSet } from '../batch/task-batch.js';
import { TaskSetBuilder } from '../tasks/task-set-builder.js';
import { topK } from '../foundation/top-k.js';
import { checkTaskSet } from '../tasks/check.js';
import { checkLearner } from './scenario.js';
import { resolveOptions } from '../foundation/options.js';
import { EVIDENCE_OPTIONS } from './options.js';
import type { EvidenceOptions } from './option-types.js';

/** An item to ask a new user about, with the numbers that it was chosen by. */
export interface EvidenceCandidate {
  /** The item's id. */
  item: string;
  /** The product of popularity and norm, each divided by its largest value. */
  score: number;
  /** Interactions of the tasks with the item, as a share of the most frequent item's. */
  popularity: number;
  /** Mean norm of the personalised update from one interaction with the item, as a share of the largest. */
  norm: number;
}

const CHUNK = 256;

/**
 * Chooses items to ask a new user about first (evidence candidates; MeLU, Lee et al. 2019, section 4.5): items that many users know
 * and whose answers change the personal parameters most. For every interaction (u, i), the size of the update from this one row is
 * ‖θ_K − θ_0‖ over the adapted parameters (with one step at a fixed rate α, this is α times the Frobenius norm of ∇L_i that the
 * paper uses). The sizes are averaged by item; the score is the product of this mean and the item's popularity, both divided by
 * their largest value.
 *
 * ```ts
 * const questions = await evidenceCandidates(learner, sets.train, { count: 20 });
 * ```
 *
 * @param tasks the training tasks, whose support and query rows are used
 * @throws {InnerloopError} INVALID_OPTION, UNKNOWN_OPTION, DIVERGED, ABORTED
 */
export async function evidenceCandidates(
  learner: Learner,
  tasks: TaskSet,
  options: EvidenceOptions = {},
): Promise<EvidenceCandidate[]> {
  const field = 'evidence';
  const { count, perItem, seed, signal } = resolveOptions(options, field, EVIDENCE_OPTIONS);
  checkLearner(learner);
  checkTaskSet(tasks, 'tasks');
  const { dataset } = tasks;
  const { order, offsets } = groupRows(dataset.item, dataset.items.rows, distinctRows(tasks));
  const single = new TaskSetBuilder();
  for (let item = 1; item < dataset.items.rows; item++) {
    const rows = order.slice(offsets[item], offsets[item + 1]);
    if (rows.length > perItem) random(seed, 'evidence', item).sample(rows, perItem);
    for (const row of rows.subarray(Math.max(0, rows.length - perItem))) {
      // The query row is not used, but every task must have one.
      single.add(
        `${dataset.items.keys.values[item]}:${row}`,
        dataset.user[row],
        Int32Array.of(row),
        Int32Array.of(row),
      );
    }
  }
  const asked = single.build(dataset);
  const norms = await updateNorms(learner, asked, signal);

  const norm = new Float64Array(dataset.items.rows);
  const answers = new Int32Array(dataset.items.rows);
  asked.supportRows.forEach((row, t) => {
    norm[dataset.item[row]] += norms[t];
    answers[dataset.item[row]]++;
  });
  norm.forEach((sum, item) => answers[item] > 0 && (norm[item] = sum / answers[item]));
  const popularity = Float64Array.from({ length: dataset.items.rows }, (_, item) =>
    item === 0 ? 0 : offsets[item + 1] - offsets[item],
  );
  for (const values of [norm, popularity]) {
    const largest = values.reduce((a, b) => Math.max(a, b), 0);
    if (largest > 0) values.forEach((value, item) => (values[item] = value / largest));
  }
  const scores = popularity.map((share, item) => (answers[item] === 0 ? Number.NEGATIVE_INFINITY : share * norm[item]));
  const known = answers.reduce((sum, each) => sum + Number(each > 0), 0);
  return Array.from(topK(scores, Math.min(count, known)), (item) => ({
    item: dataset.items.keys.values[item],
    score: scores[item],
    popularity: popularity[item],
    norm: norm[item],
  }));
}

function distinctRows({ dataset, supportRows, queryRows }: TaskSet): Int32Array {
  const seen = new Uint8Array(dataset.size);
  for (const rows of [supportRows, queryRows]) for (const row of rows) seen[row] = 1;
  return Int32Array.from({ length: dataset.size }, (_, row) => row).filter((row) => seen[row] === 1);
}

/** ‖θ_K − θ_0‖ of every task, over the parameters that the learner adapts. */
async function updateNorms(learner: Learner, tasks: TaskSet, signal: AbortSignal | undefined): Promise<Float64Array> {
  const { model, store } = learner;
  const shared = model.tensors.map((_, t) => model.ops.readTensor(store, t));
  const norms = new Float64Array(tasks.size);
  const order = Int32Array.from({ length: tasks.size }, (_, t) => t);
  for (let from = 0; from < tasks.size; from += CHUNK) {
    const batch = packTaskSet(
      model,
      learner.bind(tasks.dataset),
      tasks,
      order,
      from,
      Math.min(tasks.size, from + CHUNK),
      { rows: learner.rows(tasks.dataset) },
    );
    const adapted = await runNative(
      signal,
      (token) => model.ops.adapt({ ...learner.call(batch), token }),
      (task) => `interaction ${tasks.keys[from + task]}`,
    );
    adapted.forEach((task, k) => {
      let squares = 0;
      model.ops
        .readAdapted(task, store)
        .forEach((tensor, t) => tensor?.forEach((value, i) => (squares += (value - shared[t][i]) ** 2)));
      norms[from + k] = Math.sqrt(squares);
    });
  }
  return norms;
}
