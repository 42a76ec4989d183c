/** `innerloop inspect`: what is understood of files, or of the data of a configuration, before anything is trained. */
import { describeDataset, openDataset } from '../data/index.js';
import type { DataSource, FeatureSpec } from '../data/index.js';
import type { Dataset } from '../foundation/contract.js';
import { visible } from '../foundation/text.js';
import type { Config } from './config.js';
import { tellGuesses, understand } from './init.js';
import type { Understood } from './init.js';
import type { Console } from './output.js';
import { openData } from './pipeline.js';

export interface InspectCommand {
  /** Interactions first, then tables of users and items; or none, with a configuration. */
  files: readonly string[];
  config: Config | undefined;
  threads: number | undefined;
  console: Console;
  signal: AbortSignal;
}

/** @throws {InnerloopError} as reading the data does */
export async function runInspection({ files, config, threads, console, signal }: InspectCommand): Promise<void> {
  const dataset =
    config === undefined ? await openFiles(files, threads, console, signal) : await openData(config, signal);
  const { text, ...described } = describeDataset(dataset);
  console.result(text);
  console.json({ event: 'result', ...described });
}

async function openFiles(
  [ratings, ...others]: readonly string[],
  threads: number | undefined,
  console: Console,
  signal: AbortSignal,
): Promise<Dataset> {
  const understood = await understand(ratings, others, true, console);
  tellGuesses(understood, { ...console, note: (text) => console.note(visible(text)) });
  return openDataset(sourceFrom(understood), { signal, threads });
}

/** Rows without a user, an item or a label are left out with a count: they are what one wants to see. */
function sourceFrom({ source, roles, entities }: Understood): DataSource {
  const { user, item, label, time } = roles;
  const data: DataSource = {
    interactions: {
      ...source,
      user: user.column!,
      item: item.column!,
      ...(label.column !== undefined && { label: label.column }),
      ...(time.column !== undefined && { time: time.column }),
    },
    missingLabel: 'drop',
    missingId: 'drop',
  };
  for (const { side, source: from, id, features } of entities)
    data[side] = {
      ...from,
      id,
      features: features.map(({ name, column, kind }) => ({ name, column, kind }) as FeatureSpec),
    };
  return data;
}
