/** The report as one HTML file that needs nothing else: style and charts are inside, and it holds no script. */
import type { BenchReport, Point } from './bench.js';
import { drawLines } from '../charts/lines.js';
import type { LineSeries } from '../charts/lines.js';
import { STYLE } from '../charts/style.js';
import { escape, figure } from '../charts/svg.js';
import type { Sweep } from './cases.js';
import { networkOf } from './cases.js';
import { digits, duration, FACTOR_NAMES, rate } from '../charts/format.js';
import { groups, HEADER, WORDS } from './table-rows.js';
import type { Quantiles } from './timing.js';

export function renderPage(report: BenchReport): string {
  const { points, base, sweeps, warnings } = report;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>innerloop: what second order costs</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${headline(base.map((p) => points[p]))}</h1>
${introduction(report)}
${warnings.map((text) => `<p class="warn">${escape(capital(text))}.</p>`).join('\n')}
<div class="cards">${base.map((p) => card(points[p])).join('')}</div>
${sweeps.map((sweep) => section(sweep, points)).join('\n')}
${method(report)}
${table(report)}
<footer>innerloop ${escape(report.version)}, ${escape(report.date.slice(0, 16).replace('T', ' '))} UTC, ${report.seconds.toFixed(0)} s of measuring, seed ${report.seed}.</footer>
</main>
</body>
</html>
`;
}

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

function headline(bases: readonly Point[]): string {
  const ratios = bases.map(({ ratio }) => ratio.toFixed(1));
  const low = ratios.reduce((a, b) => (Number(a) <= Number(b) ? a : b));
  const high = ratios.reduce((a, b) => (Number(a) >= Number(b) ? a : b));
  return `Second order costs ${low === high ? low : `${low} to ${high}`} times first order`;
}

function introduction({
  machine: { cpu, hardwareThreads, isa, peak, node, platform },
  precision,
  adapt,
  points,
  base,
}: BenchReport): string {
  const { tasks, support, query, threads } = points[base[0]].case;
  const names = Array.isArray(adapt) ? adapt.join(', ') : adapt === 'last' ? 'the last layer' : 'all parameters';
  return `<p>The time of one meta-gradient per task: with the inner gradients held constant (<span class="first-ink">first order</span>, FOMAML), and exact (<span class="second-ink">second order</span>, MAML through Hessian-vector products). Base case: an MLP ${escape(networkOf(points[base[0]].case))} with relu and squared error, ${tasks} tasks of ${support} support and ${query} query rows, adapting ${escape(names)}, on ${threads} ${threads === 1 ? 'thread' : 'threads'}.</p>
<p class="machine">${escape(cpu)}, ${hardwareThreads} hardware threads, ${escape(isa)}, ${escape(precision)}; measured peak ${rate(peak)} a thread. Node ${escape(node)}, ${escape(platform)}.</p>`;
}

function card({ case: { steps }, first, second, ratio }: Point): string {
  const cell = (value: string, what: string, tone = '') =>
    `<div><div class="big ${tone}">${value}</div><div class="what">${what}</div></div>`;
  const saved = (second.directOperations - second.operations) / second.directOperations;
  const form =
    second.form === 'gram'
      ? `The Gram form saves ${(100 * saved).toFixed(0)} % of the second order’s operations.`
      : 'The direct form is the cheaper one here.';
  return `<section class="card"><h3>K = ${steps} adaptation ${steps === 1 ? 'step' : 'steps'}</h3><div class="pair">${cell(duration(first.time.q50), 'first order', 'first-ink')}${cell(duration(second.time.q50), 'second order', 'second-ink')}${cell(`${ratio.toFixed(2)}×`, 'second ÷ first')}</div><p class="soft">${digits(first.gflops)} and ${digits(second.gflops)} GFLOP/s: ${first.percentOfPeak.toFixed(0)} % and ${second.percentOfPeak.toFixed(0)} % of the measured peak. ${form}</p></section>`;
}

// ---------------------------------------------------------------------------------------------------------- charts

/** A value at each point of a sweep, with the ends of its bar where it has one. */
interface Mark {
  y: number;
  low?: number;
  high?: number;
}
interface Marks extends Pick<LineSeries, 'name' | 'tone' | 'dashed'> {
  marks: readonly Mark[];
}

function section({ factor, values, series }: Sweep, points: readonly Point[]): string {
  const name = FACTOR_NAMES[factor];
  const own = series.map(({ steps, points: of }) => ({
    suffix: steps === undefined ? '' : `, K = ${steps}`,
    steps,
    points: of.map((p) => points[p]),
  }));
  const orders = (marks: (point: Point, order: 'first' | 'second') => Mark): Marks[] =>
    own.flatMap(({ suffix, points: of }, s) =>
      (['first', 'second'] as const).map((order) => ({
        name: `${order} order${suffix}`,
        tone: order,
        dashed: own.length > 1 && s === 0,
        marks: of.map((point) => marks(point, order)),
      })),
    );
  const chart = (title: string, unit: string, drawn: Marks[], reference?: number): string => {
    const lines = drawn.map(({ marks, ...line }) => ({
      ...line,
      x: values,
      y: marks.map(({ y }) => y),
      low: marks.map(({ low }) => low ?? null),
      high: marks.map(({ high }) => high ?? null),
    }));
    return figure(drawLines({ title, x: name, y: unit, series: lines, reference, spacing: 'even', from: 'zero' }));
  };
  const last = own[own.length - 1];
  const charts = [
    chart(
      'Time per task',
      'µs',
      orders((point, order) => quantileMark(point[order].time, 1e6)),
    ),
    chart(
      'Second ÷ first order',
      '×',
      own.map(({ suffix, points: of }, s) => ({
        name: `ratio${suffix}`,
        tone: 'second',
        dashed: own.length > 1 && s === 0,
        marks: of.map(({ ratio, ratios }) => ({ ...quantileMark(ratios, 1), y: ratio })),
      })),
      1,
    ),
    chart(
      'Share of the measured peak',
      '%',
      orders((point, order) => ({ y: point[order].percentOfPeak })),
    ),
    // The work of a task does not depend on how many there are, nor on the threads: throughput says more.
    factor === 'tasks' || factor === 'threads'
      ? chart(
          'Tasks per second',
          'thousand',
          orders((point, order) => ({ y: 1e-3 / point[order].time.q50 })),
        )
      : chart(`Operations per task${last.suffix}`, 'million', [
          ...forms('first', last.points),
          ...forms('second', last.points),
        ]),
  ];
  return `<section><h2>By ${escape(name)}</h2><div class="charts">${charts.join('')}</div></section>`;
}

const quantileMark = ({ q10, q50, q90 }: Quantiles, scale: number): Mark => ({
  y: scale * q50,
  low: scale * q10,
  high: scale * q90,
});

const forms = (order: 'first' | 'second', points: readonly Point[]): Marks[] => [
  { name: `${order} order, as run`, tone: order, marks: points.map((point) => ({ y: point[order].operations / 1e6 })) },
  {
    name: `${order} order, direct form`,
    tone: order,
    dashed: true,
    marks: points.map((point) => ({ y: point[order].directOperations / 1e6 })),
  },
];

// ------------------------------------------------------------------------------------------------------------ words

function method({ quick, precision, points }: BenchReport): string {
  const fewest = Math.min(...points.map(({ first }) => first.rounds));
  const most = Math.max(...points.map(({ first }) => first.rounds));
  return `<section><h2>What is measured, and how</h2>
<dl>
<div><dt>Time</dt><dd>The wall time of one call for a whole batch, divided by its tasks: the median over calls, bars from the 10 % to the 90 % quantile. The call is the one that training makes: parameters stay in the native core, batches are packed once. The table has <code>metaGradient()</code> beside it, which takes and gives plain tensors.</dd></div>
<div><dt>Rounds</dt><dd>After a warm-up, first and second order are called by turns, so that a machine that slows down slows both, in several passes over all points, so that a busy minute does not hit one end of a chart alone: ${fewest === most ? fewest : `${fewest} to ${most}`} rounds a point${quick ? ' (a quick run: rough numbers)' : ''}. The ratio is that of the medians; its bars are quantiles of the ratios within one round. CPU time is of all threads together: where it stays the same while wall time grows, the machine was busy with something else.</dd></div>
<div><dt>Checked first</dt><dd>Before a point is timed, both orders are computed in float32 and in float64 on the same data: the losses of all tasks, and the gradients of up to 8 of them, must agree to 2·10⁻⁴ of the largest entry of each tensor. Timed here: ${escape(precision)}. Data and parameters follow from the seed.</dd></div>
<div><dt>Operations</dt><dd>Multiply-adds × 2 of all matrix products and inner updates that the core runs, counted by formula from its loops; element-wise functions, losses and sums over rows are left out. For the first adapted layer the core picks the direct form, or the Gram form, where steps cost S²·H in place of S·D·H (S support rows, a layer of D inputs and H outputs). The dashed lines of the charts of operations are what the direct form takes.</dd></div>
<div><dt>Share of the peak</dt><dd>Operations per second of what was run, over the rate of register-only fused multiply-adds of one thread × threads, both measured in this process. Hardware threads that share a core share its peak, so 100 % may be out of reach there. <i>By CPU</i> in the table is the same with CPU time in place of wall time × threads, which other processes hardly change.</dd></div>
<div><dt>Scratch</dt><dd>An estimate of the memory a task at work takes, reused from task to task: (values of θ kept + gradients) × adapted parameters + (support rows × steps kept + query rows) × widths of all activations, values and gradients, + the Gram form’s S×S and S×H matrices. Shared parameters and gradient sums come on top.</dd></div>
</dl></section>`;
}

function table(report: BenchReport): string {
  const cell = (text: string, c: number) => `<td${WORDS.has(HEADER[c]) ? ' class="word"' : ''}>${escape(text)}</td>`;
  const head = HEADER.map(
    (name) => `<th scope="col"${WORDS.has(name) ? ' class="word"' : ''}>${escape(name)}</th>`,
  ).join('');
  const body = groups(report).map(({ title, rows }) => {
    const lines = rows.map(([name, ...rest]) => {
      const order = rest[1] === '2' ? ' class="second"' : '';
      return `<tr${order}><th scope="row">${escape(name)}</th>${rest.map((text, c) => cell(text, c + 1)).join('')}</tr>`;
    });
    return `<tbody><tr class="group"><th colspan="${HEADER.length}" scope="rowgroup"><span>${escape(capital(title))}</span></th></tr>${lines.join('')}</tbody>`;
  });
  return `<section><h2>All numbers</h2><p class="soft">Times are per task. ~ marks a wide spread; × first is the ratio of the medians.</p><div class="table" tabindex="0"><table><thead><tr>${head}</tr></thead>${body.join('')}</table></div></section>`;
}
