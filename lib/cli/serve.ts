/** `innerloop serve`, `dump` and `restore`: a model over HTTP, and what it keeps. */
import { createReadStream, createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { linesOf } from '../service/http/lines.js';
import { dumpLines, restoreLines } from '../service/state/dump.js';
import { openState } from '../service/state/state.js';
import { serve } from '../service/serve.js';
import type { ServeOptions } from '../service/serve.js';
import { readJson } from './json.js';
import type { Console } from './output.js';

/** What the command line gives beside the options of the service itself. */
export interface ServeRun {
  options: Omit<ServeOptions, 'experiments'> & { experiments?: string };
  console: Console;
  signal: AbortSignal;
  /** Called once it serves. */
  onServing: () => void;
}

/** Serves until the signal: the first interrupt ends it in order. SIGHUP reads the model again. */
export async function runService({ options, console, signal, onServing }: ServeRun): Promise<void> {
  const { experiments, ...rest } = options;
  // A token on the command line is read by everybody who lists processes.
  const token = rest.token ?? process.env['INNERLOOP_TOKEN'];
  const running = await serve({
    ...rest,
    ...(token !== undefined && token !== '' && { token }),
    ...(experiments !== undefined && { experiments: await readJson(experiments, 'a list of experiments') }),
  });
  const reload = () =>
    void running.service.reload().then(
      ({ model }) => console.note(`model ${model} serves`),
      (error: Error) => console.note(`the model was not read again: ${error.message}`),
    );
  process.on('SIGHUP', reload);
  onServing();
  const { url } = running;
  console.result(`serves on ${url}`);
  console.json({ event: 'serving', url, model: running.service.engine.name });
  await new Promise<void>((done) => {
    if (signal.aborted) done();
    signal.addEventListener('abort', () => done(), { once: true });
  });
  await running.close();
  process.off('SIGHUP', reload);
}

/** The file is there as a whole, or not at all. */
export async function dumpState(location: string, output: string, console: Console): Promise<void> {
  const state = await openState(location);
  const part = `${output}.part`;
  let lines = 0;
  try {
    const ended = (async function* () {
      for await (const line of dumpLines(state)) {
        lines++;
        yield `${line}\n`;
      }
    })();
    await pipeline(Readable.from(ended), createWriteStream(part, { flush: true }));
    await rename(part, output);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  } finally {
    await state.close();
  }
  console.result(`${lines - 2} rows in ${output}`);
  console.json({ event: 'dumped', rows: lines - 2, output });
}

export async function restoreState(location: string, input: string, console: Console): Promise<void> {
  const state = await openState(location);
  try {
    const rows = await restoreLines(state, linesOf(createReadStream(input)));
    console.result(`${rows} rows restored`);
    console.json({ event: 'restored', rows });
  } finally {
    await state.close();
  }
}
