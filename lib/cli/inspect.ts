/** `innerloop inspect`: what is understood of files, or of the data of a configuration, before anything is trained. */
import { describeDataset, openDataset } from '../data/index.js';
import type { Dataset } from '../foundation/contract.js';
import { visible } from '../foundation/text.js';
import type { Config } from './config.js';
import type { Console } from './output.js';
import { openData } from './pipeline.js';
import type { ReadingFlags } from './reading-flags.js';
import { dataSource, tellGuesses, toldError, toldNote, understand } from './understand.js';

export interface InspectCommand {
  /** Interactions first, then tables of users and items; or none, with a configuration. */
  files: readonly string[];
  /** How the files are read. */
  flags: ReadingFlags;
  config: Config | undefined;
  threads: number | undefined;
  console: Console;
  signal: AbortSignal;
}

/** @throws {InnerloopError} as reading the data does */
export async function runInspection({ files, flags, config, threads, console, signal }: InspectCommand): Promise<void> {
  const dataset =
    config === undefined ? await openFiles(files, flags, threads, console, signal) : await openData(config, signal);
  const { text, ...described } = describeDataset(dataset);
  console.result(text);
  console.json({ event: 'result', ...described });
}

async function openFiles(
  files: readonly string[],
  flags: ReadingFlags,
  threads: number | undefined,
  console: Console,
  signal: AbortSignal,
): Promise<Dataset> {
  const understood = await understand({ files, flags, yes: true }, console);
  tellGuesses(understood, { ...console, note: (text) => console.note(visible(text)) });
  const dataset = await openDataset(dataSource(understood), { signal, threads }).catch((error: unknown) => {
    throw toldError(error, understood, files) as Error;
  });
  for (const [k, note] of dataset.notes.entries()) dataset.notes[k] = toldNote(note, understood, files);
  return dataset;
}
