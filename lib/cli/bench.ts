/** `innerloop bench`: what first and second order cost on this machine. */
import { access, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { BenchOptions, BenchReport } from '../bench/bench.js';
import { runBench } from '../bench/bench.js';
import type { Factor } from '../bench/cases.js';
import { FACTORS } from '../bench/cases.js';
import { renderPage } from '../bench/page.js';
import type { Adapt } from '../bench/problem.js';
import { renderText } from '../bench/terminal.js';
import { checkOneOf } from '../foundation/check.js';
import type { Precision } from '../foundation/contract.js';
import { InnerloopError } from '../foundation/errors.js';
import type { Console } from './output.js';
import { packageVersion as version } from '../learner/manifest.js';

export interface BenchCommand {
  /** Comma-separated factors, or `all`. */
  vary?: string;
  /** `all`, `last`, or comma-separated names of parameters. */
  adapt?: string;
  precision?: string;
  quick: boolean;
  threads?: number;
  seed?: number;
  /** File for the page. */
  html?: string;
  console: Console;
  signal: AbortSignal;
}

export async function bench({ vary, adapt, precision, html, console, ...rest }: BenchCommand): Promise<void> {
  const options: BenchOptions = {
    ...rest,
    vary: factorsOf(vary),
    adapt: adaptOf(adapt),
    precision: precisionOf(precision),
  };
  const page = html === undefined ? undefined : await checkTarget(html);
  const progress = openProgress();
  let report: BenchReport;
  try {
    report = await runBench(version(), { ...options, progress: progress.show });
  } finally {
    progress.clear();
  }
  const color = process.stdout.isTTY === true && process.env['NO_COLOR'] === undefined;
  console.result(renderText(report, { color }));
  console.json(report);
  for (const warning of report.warnings) console.note(`warning: ${warning}`);
  if (page !== undefined) {
    await writeFile(page, renderPage(report)).catch((cause: unknown) => {
      throw notWritable(html!, cause);
    });
    console.note(`page: ${html}`);
  }
  if (vary === undefined) console.note('base case only; --vary all changes one factor at a time');
}

function factorsOf(vary: string | undefined): Factor[] {
  if (vary === undefined) return [];
  const names = vary.split(',').map((name) => name.trim());
  for (const name of names) checkOneOf(name, '--vary', [...FACTORS, 'all']);
  return FACTORS.filter((factor) => names.includes('all') || names.includes(factor));
}

function adaptOf(adapt: string | undefined): Adapt | undefined {
  if (adapt === undefined || adapt === 'all' || adapt === 'last') return adapt;
  return adapt.split(',').map((name) => name.trim());
}

function precisionOf(precision: string | undefined): Precision | undefined {
  if (precision === undefined) return undefined;
  checkOneOf(precision, '--precision', ['float32', 'float64']);
  return precision;
}

/** A folder that is missing is better found before a minute of measuring. */
async function checkTarget(html: string): Promise<string> {
  const path = resolve(html);
  await access(dirname(path)).catch((cause: unknown) => {
    throw notWritable(html, cause);
  });
  return path;
}

const notWritable = (html: string, cause: unknown) =>
  new InnerloopError('IO', 'cannot write', {
    field: '--html',
    value: html,
    expected: 'a file in a folder that exists',
    cause,
  });

/** The point at work, on a terminal only. */
function openProgress(): { show: BenchOptions['progress']; clear: () => void } {
  const { stderr } = process;
  if (stderr.isTTY !== true) return { show: undefined, clear: () => undefined };
  return {
    show: (done, total, what) => void stderr.write(`\r\u001b[K${done + 1}/${total}  ${what}`),
    clear: () => void stderr.write('\r\u001b[K'),
  };
}
