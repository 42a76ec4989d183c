import type { Dataset } from '../foundation/contract.js';
import { resolveOptions } from '../foundation/options.js';
import { topK } from '../foundation/top-k.js';
import { yieldToEventLoop } from './baseline.js';
import type { Baseline } from './baseline.js';
import type { ItemKnnOptions } from './option-types.js';
import { OPTIONS_OF } from './options.js';
import { bySupport, positiveRule, positivesOf } from './positives.js';

/** Pairs of interactions between two turns of the event loop. */
const TURN = 5_000_000;

/**
 * Item-based nearest neighbours (Sarwar et al. 2001; Deshpande & Karypis 2004): the similarity of two items is the cosine of
 * their sets of users, |Uᵢ ∩ Uⱼ| / (√(|Uᵢ| |Uⱼ|) + h), each item keeps its most similar ones, and a candidate's score is the
 * sum of its similarities to those of its neighbours that the support holds.
 *
 * The time is that of the sum over users of the square of their interactions.
 *
 * @throws {InnerloopError} INVALID_OPTION, UNKNOWN_OPTION, EMPTY_DATA, ABORTED
 */
export async function itemKnn(
  dataset: Dataset,
  trainRows: Int32Array,
  options: ItemKnnOptions = {},
  signal?: AbortSignal,
): Promise<Baseline> {
  const { neighbours, shrinkage, minLabel } = resolveOptions(options, 'itemKnn', OPTIONS_OF.itemKnn);
  const isPositive = positiveRule(minLabel);
  const positives = positivesOf(dataset, trainRows, isPositive, 'itemKnn');
  const { items, users, offsets, entries, counts } = positives;

  const usersOf = Array.from(items, (): number[] => []);
  for (let u = 0; u < users; u++) for (let e = offsets[u]; e < offsets[u + 1]; e++) usersOf[entries[e]].push(u);
  const nearest: { columns: Int32Array; similarity: Float64Array }[] = [];
  const shared = new Float64Array(items.length);
  let work = TURN;
  for (let c = 0; c < items.length; c++) {
    if (work >= TURN) {
      await yieldToEventLoop(signal);
      work = 0;
    }
    const met: number[] = [];
    for (const u of usersOf[c]) {
      work += offsets[u + 1] - offsets[u];
      for (let e = offsets[u]; e < offsets[u + 1]; e++) if (shared[entries[e]]++ === 0) met.push(entries[e]);
    }
    met.sort((a, b) => a - b);
    const others = Int32Array.from(met.filter((other) => other !== c));
    const similarity = Float64Array.from(
      others,
      (other) => shared[other] / (Math.sqrt(counts[c] * counts[other]) + shrinkage),
    );
    const best = topK(similarity, neighbours);
    nearest.push({ columns: best.map((k) => others[k]), similarity: Float64Array.from(best, (k) => similarity[k]) });
    for (const other of met) shared[other] = 0;
  }

  const isHeld = new Uint8Array(items.length);
  return bySupport('item kNN', dataset, positives, isPositive, (held, wanted, scores) => {
    for (const column of held) isHeld[column] = 1;
    for (let q = 0; q < wanted.length; q++) {
      if (wanted[q] < 0) continue;
      const { columns, similarity } = nearest[wanted[q]];
      for (let k = 0; k < columns.length; k++) if (isHeld[columns[k]] === 1) scores[q] += similarity[k];
    }
    for (const column of held) isHeld[column] = 0;
  });
}
