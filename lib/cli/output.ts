/** What a command shows: results on stdout, progress and remarks on stderr. */
import { createRequire } from 'node:module';
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

export interface Progress {
  step(progress: number): void;
  epoch(report: EpochReport): void;
  stop(): void;
}

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

function bar(label: string, metric: string): Progress {
  // Loaded here: only a terminal needs it.
  const { SingleBar, Presets } = createRequire(import.meta.url)('cli-progress') as typeof import('cli-progress');
  const single = new SingleBar(
    // Interrupts are the command's own: it stops the training and says how to go on.
    {
      format: `${label} {bar} {percentage}% | {state}`,
      stream: process.stderr,
      gracefulExit: false,
      hideCursor: false,
      barsize: 24,
    },
    Presets.shades_classic,
  );
  single.start(1000, 0, { state: '' });
  return {
    step: (progress) => single.update(Math.round(progress * 1000)),
    epoch: (report) =>
      single.update(Math.round((report.epoch / report.epochs) * 1000), { state: describe(report, metric) }),
    stop: () => single.stop(),
  };
}

function describe({ epoch, epochs, loss, validation, best, tasksPerSecond }: EpochReport, metric: string): string {
  const parts = [`epoch ${String(epoch).padStart(String(epochs).length)}/${epochs}`, `loss ${loss.toFixed(4)}`];
  if (validation !== undefined) parts.push(`validation ${metric} ${validation.toFixed(4)}${best ? ' *' : '  '}`);
  return [...parts, `${Math.round(tasksPerSecond)} tasks/s`].join('  ');
}

export const seconds = (since: number) => Number(((performance.now() - since) / 1000).toFixed(3));
