/** Tables of the results, and the targets beside them. */
import { CASES, TARGETS } from './matrix.js';
import type { Case } from './matrix.js';
import type { Measured } from './measurements.js';
import { median, spread } from './statistics.js';
import type { FormsRow } from './trials/forms.js';

export interface Row {
  case: string;
  contender: string;
  isOurs?: boolean;
  version: string;
  threads: number;
  outcome: 'timed' | 'wrong' | 'failed';
  /** Why it was not timed. */
  reason?: string;
  /** By round. */
  tasksPerSecond?: number[];
  tasksPerCpuSecond?: number[];
}

const count = (x: number) => Math.round(x).toLocaleString('en-US');

export function renderMatrix(rows: readonly Row[], cases: readonly Case[]): string {
  return cases
    .map(({ name, problem, steps, order }) => {
      const { tasks, support, query, inputs, hidden } = problem;
      const mine = rows
        .filter((row) => row.case === name && row.outcome === 'timed')
        .sort((a, b) => median(b.tasksPerSecond!) - median(a.tasksPerSecond!));
      const best = Math.max(...mine.filter(({ isOurs }) => isOurs !== true).map((row) => median(row.tasksPerSecond!)));
      const lines = mine.map((row) => [
        row.contender,
        String(row.threads),
        count(median(row.tasksPerSecond!)),
        `±${(100 * spread(row.tasksPerSecond!)).toFixed(0)}%`,
        count(median(row.tasksPerCpuSecond!)),
        Number.isFinite(best) ? `${(median(row.tasksPerSecond!) / best).toFixed(2)}×` : '',
        row.version,
      ]);
      const title = `${name}: ${[inputs, ...hidden, 1].join('→')} relu, mse, ${tasks} tasks × (${support} support, ${query} query), K = ${steps}, order ${order}`;
      return `${title}\n${table([['contender', 'threads', 'tasks/s', 'spread', 'tasks/CPU s', 'best peer', 'version'], ...lines])}\n`;
    })
    .join('\n');
}

function table(lines: readonly string[][]): string {
  const widths = lines[0].map((_, c) => Math.max(...lines.map((line) => line[c].length)));
  const isText = (c: number) => c === 0 || c === lines[0].length - 1;
  return lines
    .map(
      (line) =>
        `  ${line
          .map((cell, c) => (isText(c) ? cell.padEnd(widths[c]) : cell.padStart(widths[c])))
          .join('  ')
          .trimEnd()}`,
    )
    .join('\n');
}

export function renderForms(forms: readonly FormsRow[]): string {
  const micro = (x: number) => (1e6 * x).toFixed(1);
  const lines = forms.map(({ support, steps, direct, gram, operations, chosen, difference }) => [
    `S = ${support}, K = ${steps}`,
    micro(direct),
    micro(gram),
    `${(direct / gram).toFixed(2)}×`,
    `${operations.toFixed(2)}×`,
    difference.toExponential(0),
    chosen,
  ]);
  const title = 'forms of the first layer, second order, one thread, µs a task';
  return `${title}\n${table([['', 'direct', 'Gram', 'saves', 'operations', 'difference', 'chosen'], ...lines])}\n`;
}

export interface SummaryLine {
  what: string;
  value: number;
  shown: string;
  target: string;
  met: boolean;
}

/** Lines only for what was measured. */
export function summarize(rows: readonly Row[], { kernel, serving, wholeRun }: Measured): SummaryLine[] {
  const lines: SummaryLine[] = [];
  const add = (what: string, value: number, shown: string, target: string, met: boolean) =>
    lines.push({ what, value, shown, target, met });
  const atLeast = (what: string, value: number, target: number, show: (x: number) => string, more = '') =>
    add(what, value, show(value) + more, `≥ ${show(target)}`, value >= target);
  const atMost = (what: string, value: number, target: number, show: (x: number) => string, more = '') =>
    add(what, value, show(value) + more, `≤ ${show(target)}`, value <= target);
  const times = (x: number) => `${Number(x.toFixed(2))}×`;
  const percent = (x: number) => `${(100 * x).toFixed(0)} %`;
  const micro = (x: number) => `${(1e6 * x).toFixed(0)} µs`;

  for (const { name, steps } of CASES.filter(({ order }) => order === 2)) {
    const timed = rows.filter((row) => row.case === name && row.outcome === 'timed');
    const ours = fastest(timed.filter(({ isOurs }) => isOurs === true));
    const peer = fastest(timed.filter(({ isOurs }) => isOurs !== true));
    if (ours === undefined || peer === undefined) continue;
    const cpu = median(ours.tasksPerCpuSecond!) / median(peer.tasksPerCpuSecond!);
    const peers = new Set(timed.filter(({ isOurs }) => isOurs !== true).map(({ contender }) => contender)).size;
    const more = ` (${ours.contender} over ${peer.contender}, best of ${peers} peers timed; ${times(cpu)} by processor time)`;
    atLeast(
      `ours ÷ best peer, K = ${steps}`,
      median(ours.tasksPerSecond!) / median(peer.tasksPerSecond!),
      steps === 1 ? TARGETS.ratioK1 : TARGETS.ratioK5,
      times,
      more,
    );
  }
  if (kernel !== undefined) {
    const giga = (x: number) => (x / 1e9).toFixed(0);
    const of = ` of ${giga(kernel.sustained)} GFLOP/s in turn with the calls (${giga(kernel.peak)} at best), ${kernel.isa}`;
    for (const [steps, share] of [
      [1, kernel.shareK1],
      [5, kernel.shareK5],
    ] as const) {
      atLeast(`multiply-add peak, K = ${steps}, operations executed`, share.executed, TARGETS.peak, percent, of);
      atLeast(`the same, operations of the direct algorithm`, share.direct, TARGETS.peak, percent);
    }
    atMost('second ÷ first order, K = 1', kernel.secondOverFirstK1, TARGETS.secondOverFirstK1, times);
    atMost('second ÷ first order, K = 5', kernel.secondOverFirstK5, TARGETS.secondOverFirstK5, times);
    atLeast(
      '1 → 2 threads, 256 tasks',
      kernel.scaling,
      TARGETS.scaling,
      times,
      ` (${times(kernel.scalingCpu)} by processor time)`,
    );
  }
  if (serving !== undefined) {
    atMost('adapt one user, p50', serving.adaptP50, TARGETS.adaptP50, micro);
    atMost('adapt one user, p99', serving.adaptP99, TARGETS.adaptP99, micro);
    atMost('the same on the calling thread (adaptSync), p50', serving.syncP50, TARGETS.adaptP50, micro);
    atMost('the same, p99', serving.syncP99, TARGETS.adaptP99, micro);
    atMost('score 10,000 items (predict)', serving.predict, TARGETS.scoring, micro);
    atMost('the ten best of 10,000 (recommend)', serving.recommend, TARGETS.scoring, micro);
  }
  if (wholeRun !== undefined) {
    atMost(
      'MovieLens-1M, 30 epochs',
      wholeRun.seconds,
      TARGETS.wholeRun,
      (x) => `${x.toFixed(1)} s`,
      ` (${wholeRun.cpu.toFixed(1)} s of processor time)`,
    );
    atMost('its peak memory', wholeRun.peakMemory, TARGETS.wholeRunMemory, (x) => `${(x / 1e6).toFixed(0)} MB`);
  }
  return lines;
}

const fastest = (rows: readonly Row[]): Row | undefined =>
  rows.reduce<Row | undefined>(
    (best, row) => (best === undefined || median(row.tasksPerSecond!) > median(best.tasksPerSecond!) ? row : best),
    undefined,
  );

export function renderSummary(lines: readonly SummaryLine[]): string {
  if (lines.length === 0) return '';
  return `Summary\n${table([['', 'target', '', 'measured'], ...lines.map(({ what, shown, target, met }) => [what, target, met ? 'met' : 'NOT met', shown])])}\n`;
}
