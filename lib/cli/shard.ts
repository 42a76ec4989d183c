/** `innerloop shard`: the data of a configuration, divided as it says, in shards on disk. */
import { tenths } from './output.js';
import type { Console } from './output.js';
import { showBytes } from '../foundation/memory.js';
import { visible } from '../foundation/text.js';
import { invalid } from '../foundation/check.js';
import type { DataSource } from '../data/index.js';
import { writeShards } from '../tasks/index.js';
import type { UserSplit } from '../tasks/index.js';
import type { Config } from './config.js';
import { named } from './named.js';
import { splitOptions } from './pipeline.js';

export interface ShardRun {
  config: Config;
  output: string;
  /** MiB that DuckDB may hold. */
  memory: number | undefined;
  /** Interactions of a shard. */
  rows: number | undefined;
  /** A folder for what DuckDB spills to disk. */
  temporary: string | undefined;
  fresh: boolean;
  console: Console;
  signal: AbortSignal;
}

/** @throws {InnerloopError} as reading the data and dividing it do; UNSUPPORTED for what needs all rows at once */
export async function runSharding(run: ShardRun): Promise<void> {
  const { config, output, memory, rows, temporary, fresh, console, signal } = run;
  const { baseDirectory, ...source } = config.data;
  const split = splitOptions(config);
  if (config.trainTasks !== undefined)
    throw invalid('trainTasks', 'goes with tasks in memory', config.trainTasks, 'split.tasks alone');
  const { sets, notes } = await named(
    /^(interactions|users|items|duplicates|missing\w+|kCore|unseenItems)\b/,
    'data.$&',
    () =>
      writeShards(source as DataSource, output, {
        split: split as UserSplit,
        ...(rows !== undefined && { rows }),
        ...(memory !== undefined && { memory: memory * 2 ** 20 }),
        ...(temporary !== undefined && { temporary }),
        ...(baseDirectory !== undefined && { baseDirectory }),
        ...(config.threads !== undefined && { threads: config.threads }),
        overwrite: fresh,
        signal,
        onProgress: tenths(console, (percent) => `${percent} % written`),
      }),
  );
  for (const note of notes) console.note(visible(note));
  for (const [name, { tasks, rows: own, shards, bytes }] of Object.entries(sets))
    console.result(`${name}: ${tasks} tasks, ${own} interactions in ${shards} shards, ${showBytes(bytes)}`);
  console.note(`to train on them: innerloop train --config … --shards ${output}`);
  console.json({ event: 'result', output, sets, notes });
}
