/** Lists that do not repeat themselves. */
import type { FloatArray } from '../foundation/contract.js';

/**
 * Maximal marginal relevance (Carbonell & Goldstein 1998): one item after the other,
 *
 *     argmax_i (1 − λ) r_i − λ max_{j chosen} cos(x_i, x_j)
 *
 * r: what the items are ranked by, scaled to 0 … 1 over the candidates; x: their vectors [n, width]. λ = 0 keeps the order.
 *
 * @returns positions of `count` candidates, in the order chosen
 * @internal
 */
export function diversify(keys: ArrayLike<number>, vectors: FloatArray, lambda: number, count: number): number[] {
  const n = keys.length;
  if (n === 0) return [];
  const width = vectors.length / n;
  let [low, high] = [Infinity, -Infinity];
  for (let i = 0; i < n; i++) [low, high] = [Math.min(low, keys[i]), Math.max(high, keys[i])];
  const unit = unitVectors(vectors, n, width);
  const nearest = new Float64Array(n).fill(-1);
  const taken = new Uint8Array(n);
  const chosen: number[] = [];
  while (chosen.length < Math.min(count, n)) {
    let best = -1;
    let most = -Infinity;
    for (let i = 0; i < n; i++) {
      if (taken[i] === 1) continue;
      const relevance = high > low ? (keys[i] - low) / (high - low) : 1;
      // The first has nothing to be near to.
      const value = (1 - lambda) * relevance - (chosen.length === 0 ? 0 : lambda * nearest[i]);
      if (value > most) [best, most] = [i, value];
    }
    taken[best] = 1;
    chosen.push(best);
    for (let i = 0; i < n; i++) {
      if (taken[i] === 1) continue;
      let dot = 0;
      for (let k = 0; k < width; k++) dot += unit[i * width + k] * unit[best * width + k];
      nearest[i] = Math.max(nearest[i], dot);
    }
  }
  return chosen;
}

/** Rows of length 1; a row of zeros stays, and is near to nothing. @internal */
export function unitVectors(vectors: FloatArray, n: number, width: number): Float64Array {
  const unit = new Float64Array(n * width);
  for (let i = 0; i < n; i++) {
    let sum = 0;
    for (let k = 0; k < width; k++) sum += vectors[i * width + k] ** 2;
    const length = Math.sqrt(sum);
    for (let k = 0; length > 0 && k < width; k++) unit[i * width + k] = vectors[i * width + k] / length;
  }
  return unit;
}
