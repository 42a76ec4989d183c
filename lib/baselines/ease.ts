import type { Dataset } from '../foundation/contract.js';
import { resolveOptions } from '../foundation/options.js';
import { InnerloopError } from '../foundation/errors.js';
import { availableMemory, showBytes } from '../foundation/memory.js';
import { yieldToEventLoop } from './baseline.js';
import type { Baseline } from './baseline.js';
import type { EaseOptions } from './option-types.js';
import { OPTIONS_OF } from './options.js';
import { bySupport, positiveRule, positivesOf } from './positives.js';
import type { Positives } from './positives.js';
import { factorize, invert, SymmetricTiles } from './tiled-inverse.js';

/** Milliseconds of work between two turns of the event loop. */
const TURN = 20;

/** Weights B, row by row of what is held: adds row `held` at the `wanted` columns to the scores. */
type AddScores = (held: Int32Array, wanted: Int32Array, scores: Float64Array) => void;

/**
 * EASE (Steck 2019): the item-to-item weights B with a zero diagonal that minimise ‖X − XB‖² + λ‖B‖², in closed form
 * B_ij = −P_ij / P_jj with P = (XᵀX + λI)⁻¹; a task's scores are x B for its support x.
 *
 * With fewer users than items the same weights come from the users' side: P = (I − Xᵀ (XXᵀ + λI)⁻¹ X) / λ, so that with
 * XXᵀ + λI = L Lᵀ and V = L⁻¹X, P_ij = (δ_ij − V_i·V_j) / λ. The smaller side is factorised, n³ multiply-adds for its n rows;
 * the event loop gets its turns.
 *
 * @throws {InnerloopError} UNSUPPORTED where neither side fits in memory, INVALID_OPTION, EMPTY_DATA, ABORTED
 */
export async function ease(
  dataset: Dataset,
  trainRows: Int32Array,
  options: EaseOptions = {},
  signal?: AbortSignal,
): Promise<Baseline> {
  const given = resolveOptions(options, 'ease', OPTIONS_OF.ease);
  const { regularization, memory = availableMemory() } = given;
  const isPositive = positiveRule(given.minLabel);
  const positives = positivesOf(dataset, trainRows, isPositive, 'ease');
  const turn = turnTaker(signal);
  const add = isItemSide(positives, memory)
    ? await fromItems(positives, regularization, turn)
    : await fromUsers(positives, regularization, turn);
  return bySupport('EASE', dataset, positives, isPositive, add);
}

/** Which side to factorise: the one of less work that fits. */
function isItemSide({ items, users }: Positives, memory: number): boolean {
  const itemBytes = SymmetricTiles.bytes(items.length);
  // The factor twice: as tiles, and by rows to solve with.
  const userBytes = 2 * SymmetricTiles.bytes(users) + users * items.length * Float64Array.BYTES_PER_ELEMENT;
  const isSmaller = items.length <= users;
  if ((isSmaller ? itemBytes : userBytes) <= memory) return isSmaller;
  if ((isSmaller ? userBytes : itemBytes) <= memory) return !isSmaller;
  throw new InnerloopError('UNSUPPORTED', `${items.length} items × items do not fit in memory`, {
    field: 'ease',
    value: `about ${showBytes(Math.min(itemBytes, userBytes))}`,
    expected: `at most ${showBytes(memory)}, which is available: leave ease out, as in baselines: ["popularity", "itemKnn"], or fewer items by a filter in data.interactions.sql`,
  });
}

function turnTaker(signal: AbortSignal | undefined): () => Promise<void> {
  let next = 0;
  return async () => {
    if (performance.now() < next) return;
    await yieldToEventLoop(signal);
    next = performance.now() + TURN;
  };
}

async function fromItems(
  { items, users, offsets, entries }: Positives,
  lambda: number,
  turn: () => Promise<void>,
): Promise<AddScores> {
  const gram = new SymmetricTiles(items.length);
  for (let c = 0; c < items.length; c++) gram.add(c, c, lambda);
  for (let u = 0; u < users; u++) {
    await turn();
    for (let a = offsets[u]; a < offsets[u + 1]; a++)
      for (let b = offsets[u]; b <= a; b++) gram.add(entries[a], entries[b], 1);
  }
  await invert(gram, 'ease.regularization', turn);
  return (held, wanted, scores) => {
    for (let q = 0; q < wanted.length; q++) {
      const column = wanted[q];
      if (column < 0) continue;
      let sum = 0;
      for (const own of held) if (own !== column) sum += gram.at(own, column);
      scores[q] = -sum / gram.at(column, column);
    }
  };
}

async function fromUsers(
  { items, users, offsets, entries }: Positives,
  lambda: number,
  turn: () => Promise<void>,
): Promise<AddScores> {
  const byColumn = Array.from(items, (): number[] => []);
  for (let u = 0; u < users; u++) for (let e = offsets[u]; e < offsets[u + 1]; e++) byColumn[entries[e]].push(u);
  const gram = new SymmetricTiles(users);
  for (let u = 0; u < users; u++) gram.add(u, u, lambda);
  for (const own of byColumn) {
    await turn();
    for (let a = 0; a < own.length; a++) for (let b = 0; b <= a; b++) gram.add(own[a], own[b], 1);
  }
  await factorize(gram, 'ease.regularization', turn);
  const factor = new LowerRows(gram);
  // Rows of V are columns of the data, so that the dot product of two items runs along memory.
  const v = new Float64Array(items.length * users);
  const diagonal = new Float64Array(items.length);
  for (let c = 0; c < items.length; c++) {
    await turn();
    const own = v.subarray(c * users, (c + 1) * users);
    for (const u of byColumn[c]) own[u] = 1;
    factor.solve(own, byColumn[c][0]);
    for (let u = byColumn[c][0]; u < users; u++) diagonal[c] += own[u] * own[u];
  }
  return (held, wanted, scores) => {
    const sum = new Float64Array(users);
    for (const own of held) for (let u = 0; u < users; u++) sum[u] += v[own * users + u];
    const isHeld = new Set(held);
    for (let q = 0; q < wanted.length; q++) {
      const column = wanted[q];
      if (column < 0) continue;
      let dot = isHeld.has(column) ? -diagonal[column] : 0;
      for (let u = 0; u < users; u++) dot += sum[u] * v[column * users + u];
      scores[q] = dot / (1 - diagonal[column]);
    }
  };
}

/** L of a factorised matrix row by row: solving runs along rows, not over tiles. */
class LowerRows {
  readonly #rows: Float64Array[];

  constructor(factor: SymmetricTiles) {
    this.#rows = Array.from({ length: factor.size }, (_, i) =>
      Float64Array.from({ length: i + 1 }, (_, j) => factor.at(i, j)),
    );
  }

  /** x ← L⁻¹ x, where x is 0 before `from`. */
  solve(x: Float64Array, from: number): void {
    for (let i = from; i < x.length; i++) {
      const row = this.#rows[i];
      let sum = x[i];
      for (let k = from; k < i; k++) sum -= row[k] * x[k];
      x[i] = sum / row[i];
    }
  }
}
