/** What a command shows: results on stdout, progress and remarks on stderr. */
import { stat } from 'node:fs/promises';
import { InnerloopError } from '../foundation/errors.js';
import type { EpochReport } from '../training/train.js';

export interface Console {
  /** A result for people; not printed with `--json`. */
  result(text: string): void;
  /** A result for machines, one line; printed only with `--json`. */
  json(value: object): void;
  /** A remark on stderr. */
  note(text: string): void;
}

export function openConsole(json: boolean): Console {
  return {
    result: (text) => void (json || process.stdout.write(`${text}\n`)),
    json: (value) => void (json && process.stdout.write(`${JSON.stringify(value)}\n`)),
    note: (text) => void process.stderr.write(`${text}\n`),
  };
}

/** Of a process that leaves the showing to another one. */
export const SILENT: Console = { result: () => undefined, json: () => undefined, note: () => undefined };

export interface Progress {
  step(progress: number): void;
  epoch(report: EpochReport): void;
  stop(): void;
}

export const NO_PROGRESS: Progress = { step: () => undefined, epoch: () => undefined, stop: () => undefined };

/** A bar on a terminal; one line an epoch anywhere else, so that logs hold no escape codes. */
export function openProgress(label: string, metric: string): Progress {
  return process.stderr.isTTY === true ? bar(label, metric) : lines(label, metric);
}

function lines(label: string, metric: string): Progress {
  return {
    step: () => undefined,
    epoch: (report) => void process.stderr.write(`${label} ${describe(report, metric)}\n`),
    stop: () => undefined,
  };
}

const WIDTH = 24;
/** Redrawn at most so often, in milliseconds. */
const REDRAW = 100;

/** One line of stderr, written anew; cut at the terminal's width, since a wrapped line could not be. */
function bar(label: string, metric: string): Progress {
  let [share, state, drawn] = [0, '', -Infinity];
  const draw = () => {
    drawn = performance.now();
    const filled = Math.round(share * WIDTH);
    const done = `${'█'.repeat(filled)}${'░'.repeat(WIDTH - filled)} ${String(Math.floor(share * 100)).padStart(3)}%`;
    const line = `${label} ${done}${state === '' ? '' : ` | ${state}`}`;
    process.stderr.write(`\r${line.slice(0, (process.stderr.columns ?? 80) - 1)}\x1b[K`);
  };
  draw();
  return {
    step: (progress) => {
      share = Math.min(1, progress);
      if (performance.now() - drawn >= REDRAW) draw();
    },
    epoch: (report) => {
      share = report.epoch / report.epochs;
      state = describe(report, metric);
      draw();
    },
    stop: () => void process.stderr.write('\n'),
  };
}

function describe({ epoch, epochs, loss, validation, best, tasksPerSecond }: EpochReport, metric: string): string {
  const parts = [`epoch ${String(epoch).padStart(String(epochs).length)}/${epochs}`, `loss ${loss.toFixed(4)}`];
  if (validation !== undefined) parts.push(`validation ${metric} ${validation.toFixed(4)}${best ? ' *' : '  '}`);
  return [...parts, `${Math.round(tasksPerSecond)} tasks/s`].join('  ');
}

/**
 * A line for every tenth of long work.
 *
 * @param after seconds without a line, for work that is mostly short
 */
export function tenths(console: Console, say: (percent: number) => string, after = 0): (share: number) => void {
  const began = performance.now();
  let told = 0;
  return (share) => {
    const now = Math.floor(10 * share);
    if (now <= told || performance.now() - began < 1000 * after) return;
    told = now;
    console.note(say(10 * told));
  };
}

/** Tells how much of a model's tables is drawn, where that takes seconds. */
export const tellDrawn = (console: Console) => tenths(console, (percent) => `initial values: ${percent} % drawn`, 2);

/** What stands where a file will be written is found before the work is done. @throws {InnerloopError} IO */
export async function refuseFolders(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    const found = await stat(path).catch(() => undefined);
    if (found?.isDirectory())
      throw new InnerloopError('IO', 'is a folder, where a file has to be written', {
        field: path,
        expected: 'another output folder, or that one moved away',
      });
  }
}

/** A word of a command line, as it has to be typed. */
export function shellWord(text: string): string {
  return /^[\w./,:=@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

export const seconds = (since: number) => Number(((performance.now() - since) / 1000).toFixed(3));

/** A refusal of the operating system, as a typed error. */
export async function attempt<R>(path: string, action: () => Promise<R>): Promise<R> {
  try {
    return await action();
  } catch (cause) {
    if (cause instanceof InnerloopError) throw cause;
    throw new InnerloopError('IO', (cause as Error).message, {
      field: path,
      expected: 'a folder that can be written to',
      cause,
    });
  }
}
