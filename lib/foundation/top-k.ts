/**
 * Indices of the k largest scores, largest first, equal ones in index order: a heap of k, O(n log k) and no sort of all.
 */
export function topK(scores: Float64Array, k: number): Int32Array {
  const n = scores.length;
  const size = Math.min(k, n);
  const heap = new Int32Array(size);
  /** Whether index a ranks below index b. */
  const below = (a: number, b: number) => scores[a] < scores[b] || (scores[a] === scores[b] && a > b);
  const sink = (at: number, end: number) => {
    const moving = heap[at];
    for (;;) {
      let child = 2 * at + 1;
      if (child >= end) break;
      if (child + 1 < end && below(heap[child + 1], heap[child])) child++;
      if (!below(heap[child], moving)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = moving;
  };
  for (let i = 0; i < size; i++) heap[i] = i;
  for (let at = (size >> 1) - 1; at >= 0; at--) sink(at, size);
  // The root is the worst kept; an index after it with an equal score ranks below it.
  let worst = size > 0 ? scores[heap[0]] : Infinity;
  for (let i = size; i < n; i++) {
    if (scores[i] > worst) {
      heap[0] = i;
      sink(0, size);
      worst = scores[heap[0]]!;
    }
  }
  for (let end = size - 1; end > 0; end--) {
    const last = heap[0];
    heap[0] = heap[end]!;
    heap[end] = last;
    sink(0, end);
  }
  return heap;
}
