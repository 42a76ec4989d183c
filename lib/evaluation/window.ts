/**
 * The query rows of one task: positions `start … end − 1` of arrays that hold all tasks one after the other. Metrics read nothing
 * else. The same window object is moved from task to task.
 */
export interface TaskWindow {
  /** Label of each row. */
  labels: Float32Array;
  /** Predicted rating, probability or ranking score of each row. */
  scores: Float64Array;
  /** `order[start … end − 1]` are the task's positions by descending score; equal scores are in no particular order. */
  order: Int32Array;
  start: number;
  /** `end > start`: a task without query rows is never measured. */
  end: number;
}

/** Sorts the window's part of `order`. Metrics must not depend on the order of equal scores. */
export function sortWindow({ scores, order, start, end }: TaskWindow): void {
  const part = order.subarray(start, end);
  for (let i = 0; i < part.length; i++) part[i] = start + i;
  part.sort((a, b) => scores[b] - scores[a]);
}

/** The end of the run of equal scores that begins at place `from` of the order. */
export function tieEnd({ scores, order, end }: TaskWindow, from: number): number {
  const score = scores[order[from]];
  let to = from + 1;
  while (to < end && scores[order[to]] === score) to++;
  return to;
}
