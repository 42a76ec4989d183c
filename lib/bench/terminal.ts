/** The report for a terminal: aligned columns, emphasis only where there is a terminal. */
import type { BenchReport } from './bench.js';
import { rate } from '../charts/format.js';
import { groups, HEADER, WORDS } from './table-rows.js';

export interface TextOptions {
  /** Escape codes for bold and dim. Default false. */
  color?: boolean;
}

export function renderText(report: BenchReport, { color = false }: TextOptions = {}): string {
  const style = (code: number) => (text: string) => (color ? `\u001b[${code}m${text}\u001b[22m` : text);
  const [bold, dim] = [style(1), style(2)];
  const all = groups(report);
  const widths = HEADER.map((name, c) =>
    Math.max(...[name, ...all.flatMap(({ rows }) => rows.map((row) => row[c]))].map((text) => text.length)),
  );
  const line = (row: readonly string[]) =>
    row
      .map((text, c) => (WORDS.has(HEADER[c]) ? text.padEnd(widths[c]) : text.padStart(widths[c])))
      .join('  ')
      .trimEnd();
  const sections = all.flatMap(({ title, rows }) => ['', bold(title), dim(line(HEADER)), ...rows.map(line)]);
  return [...heading(report), ...sections, '', ...LEGEND.map(dim)].join('\n');
}

function heading({
  version,
  machine: { cpu, isa, peak, hardwareThreads, node, platform, otherLoad },
  precision,
  adapt,
  seed,
  quick,
  seconds,
}: BenchReport): string[] {
  const load = otherLoad === null ? '' : `, other processes ${otherLoad.toFixed(1)} cores`;
  return [
    `innerloop ${version} bench: cost of the first- and second-order meta-gradient, per task`,
    `${cpu}, ${hardwareThreads} hardware threads, ${isa}, measured peak ${rate(peak)} a thread (${precision}), Node ${node}, ${platform}`,
    `adapted: ${Array.isArray(adapt) ? adapt.join(', ') : adapt}; seed ${seed}; ${seconds.toFixed(0)} s${quick ? ' (quick: rough numbers)' : ''}${load}`,
  ];
}

const LEGEND = [
  'µs/task: median wall time of a call ÷ tasks; CPU µs: of all threads. Orders are timed by turns; float32 checked against float64 before.',
  'operations: multiply-adds × 2 of what the core runs; direct: of the form without the Gram matrix.',
  '% peak: of the measured peak of one thread × threads, by wall time; by CPU: of one thread, by CPU time, which other processes hardly change.',
];
