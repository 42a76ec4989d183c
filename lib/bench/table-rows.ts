/** The rows of the full table, the same in the terminal and on the page. */
import type { BenchReport, OrderCost, Point } from './bench.js';
import { WIDE_SPREAD } from './bench.js';
import { networkOf } from './cases.js';
import { bytes, count, digits, FACTOR_NAMES, micros } from '../charts/format.js';
import { spread } from './timing.js';

export interface Group {
  title: string;
  rows: string[][];
}

export const HEADER = [
  '',
  'K',
  'order',
  'µs/task',
  '10–90 %',
  '× first',
  'CPU µs',
  'operations',
  'direct',
  'form',
  'GFLOP/s',
  '% peak',
  'by CPU',
  'scratch',
];
/** Columns of words; the others are numbers and stand to the right. */
export const WORDS: ReadonlySet<string> = new Set(['', 'form']);

export function groups(report: BenchReport): Group[] {
  const { points, base, api, sweeps } = report;
  const [first] = base.map((p) => points[p].case);
  const title = `base: ${networkOf(first)}, ${first.tasks} tasks × (${first.support} support, ${first.query} query), ${first.threads} ${first.threads === 1 ? 'thread' : 'threads'}`;
  return [
    {
      title,
      rows: [
        ...base.flatMap((p) => pair('native core', points[p])),
        ...api.flatMap((p) => pair('metaGradient()', points[p])),
      ],
    },
    ...sweeps.map(({ factor, values, series }) => ({
      title: `by ${FACTOR_NAMES[factor]}`,
      rows: series.flatMap(({ points: of }) => of.flatMap((p, v) => pair(String(values[v]), points[p]))),
    })),
  ];
}

function pair(name: string, { case: { steps }, first, second, ratio }: Point): string[][] {
  return [
    [name, String(steps), '1', ...cells(first, '')],
    [name, String(steps), '2', ...cells(second, `${ratio.toFixed(2)}`)],
  ];
}

function cells(cost: OrderCost, ratio: string): string[] {
  const { time, cpu, operations, directOperations, form, gflops, percentOfPeak, percentOfPeakByCpu, workingSet } = cost;
  const mark = spread(time) > WIDE_SPREAD ? '~' : '';
  const range = `${micros(time.q10)}–${micros(time.q90)}`;
  return [
    `${mark}${micros(time.q50)}`,
    range,
    ratio,
    micros(cpu),
    count(operations),
    count(directOperations),
    form,
    digits(gflops),
    percentOfPeak.toFixed(1),
    percentOfPeakByCpu.toFixed(1),
    bytes(workingSet),
  ];
}
