/** A note on histories of query rows that contain more than the support set, which a served user's history does not. */
import type { SequenceColumn, TaskSet } from '../foundation/contract.js';
import type { Learner } from '../learner/learner.js';

/** The most tasks that are checked. */
const TASKS = 1000;

/** @internal */
export function historyNotes({ model }: Learner, tasks: TaskSet): string[] {
  const { dataset } = tasks;
  const read = dataset.context.columns.filter(
    (column): column is SequenceColumn =>
      column.kind === 'sequence' &&
      column.of === 'before' &&
      model.spec.inputs.some(({ name }) => name === column.name),
  );
  return read.flatMap((column) => {
    const { beyond, rows } = counted(column, tasks);
    if (beyond === 0) return [];
    return [
      `${column.name}: of ${beyond} of ${rows} query rows it holds items that the support set has not, as where a user is followed from one interaction to the next. Whoever is served has the support set alone, which a history with of: 'support' measures.`,
    ];
  });
}

/** The number of query rows whose history contains items beyond the support set, and the number of all query rows. */
function counted(
  { offsets, data }: SequenceColumn,
  { dataset, size, supportOffsets, supportRows, queryOffsets, queryRows }: TaskSet,
) {
  const last = Math.min(size, TASKS);
  let beyond = 0;
  for (let t = 0; t < last; t++) {
    const known = new Set<number>();
    for (let s = supportOffsets[t]; s < supportOffsets[t + 1]; s++) known.add(dataset.item[supportRows[s]]);
    for (let q = queryOffsets[t]; q < queryOffsets[t + 1]; q++) {
      const row = queryRows[q];
      if (data.subarray(offsets[row], offsets[row + 1]).some((item) => !known.has(item))) beyond++;
    }
  }
  return { beyond, rows: queryOffsets[last] };
}
