/** What a method at chance gets: one value for every row. */
import type { MethodRun } from '../compare/runs.js';
import { measureMethod } from '../evaluation/measure.js';
import { lossOf } from '../model/losses.js';
import { lossSpec } from './config-metrics.js';
import { perTask, UNMEASURED } from './method-runs.js';
import { measures, reportedSets } from './pipeline.js';
import type { Prepared } from './pipeline.js';

/** The mean label of training where scores estimate labels, else the same score for all, whose ties are any order. */
export async function chanceRun(prepared: Prepared, signal: AbortSignal): Promise<MethodRun> {
  const { config, dataset, split } = prepared;
  const head = lossSpec(config.model.loss);
  const kind = lossOf(head).score(head);
  const { trainRows } = split;
  const mean = trainRows.reduce((sum, row) => sum + dataset.label[row], 0) / trainRows.length;
  const constant = (rows: number) => new Float64Array(rows).fill(kind === 'order' ? 0 : mean);
  const sets: MethodRun['sets'] = {};
  for (const name of reportedSets(prepared)) {
    const tasks = split.sets[name];
    const options = { ...measures(config, split.sets['train']), signal };
    const rank = (rows: { queryRows: Int32Array }) => constant(rows.queryRows.length);
    sets[name] = perTask(await measureMethod(tasks, kind, constant(tasks.queryRows.length), rank, options));
  }
  return {
    method: 'chance',
    kind: 'chance',
    seed: null,
    ...UNMEASURED,
    sets,
  };
}
