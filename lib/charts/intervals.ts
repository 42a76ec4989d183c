/** A chart of means with their intervals, one below the other, which shows a column of a table. */
import { linearScale, tickLabel, valueText } from './scale.js';
import { broken, escape, round } from './svg.js';
import type { Drawing, Tone } from './svg.js';

export interface IntervalRow {
  name: string;
  mean: number;
  low: number | null;
  high: number | null;
  /** Default `plain`. */
  tone?: Tone;
}
export interface IntervalChart {
  title: string;
  unit: string;
  rows: readonly IntervalRow[];
  /** A line down, such as difference 0. */
  reference?: number;
}

const WIDTH = 400;
const LEFT = 184;
const RIGHT = 16;
const ROW = 24;
/** Of a second and further line of a name. */
const LINE = 15;
const TOP = 8;
const BOTTOM = 28;
/** Between a name and the axis. */
const GAP = 8;
/** Font size of names on a narrow screen (style.ts); on a wide one they are smaller. */
const NAME_SIZE = 13;

export function drawIntervals({ title, unit, rows, reference }: IntervalChart): Drawing {
  const ends = rows.flatMap(({ mean, low, high }) => [mean, low ?? mean, high ?? mean]);
  if (reference !== undefined) ends.push(reference);
  const scale = linearScale(Math.min(...ends), Math.max(...ends));
  const x = (value: number) => round(LEFT + (WIDTH - LEFT - RIGHT) * scale.share(value));
  const names = rows.map(({ name }) => broken(name, (LEFT - GAP) / NAME_SIZE));
  const tops = [TOP];
  for (const lines of names) tops.push(tops.at(-1)! + ROW + LINE * (lines.length - 1));
  const base = tops[rows.length];
  const grid = scale.ticks.map((tick) => {
    const name = `<text class="tick" x="${x(tick)}" y="${base + 18}" text-anchor="middle">${tickLabel(tick)}</text>`;
    return `<path class="grid" d="M${x(tick)} ${TOP}V${base}"/>${name}`;
  });
  const down = reference === undefined ? '' : `<path class="reference" d="M${x(reference)} ${TOP}V${base}"/>`;
  const marks = rows.map(({ name, mean, low, high, tone = 'plain' }, r) => {
    const y = (tops[r] + tops[r + 1]) / 2;
    const first = y + 4 - (LINE * (names[r].length - 1)) / 2;
    const bar =
      low === null || high === null
        ? ''
        : `<path class="bar ${tone}" d="M${x(low)} ${y}H${x(high)}M${x(low)} ${y - 4}v8M${x(high)} ${y - 4}v8"/>`;
    const dot = `<circle class="dot ${tone}" cx="${x(mean)}" cy="${y}" r="4.2"><title>${escape(`${name}: ${valueText(mean, low, high)} ${unit}`)}</title></circle>`;
    const words = names[r].map(
      (text, k) =>
        `<text class="row${tone === 'plain' ? '' : ' own'}" x="${LEFT - GAP}" y="${round(first + LINE * k)}" text-anchor="end">${escape(text)}</text>`,
    );
    return `${words.join('')}${bar}${dot}`;
  });
  return {
    title,
    unit,
    width: WIDTH,
    height: base + BOTTOM,
    content: [...grid, down, ...marks].join(''),
    description: `${title} (${unit}): ${rows.map(({ name, mean, low, high }) => `${name} ${valueText(mean, low, high)}`).join('; ')}`,
    legend: [],
  };
}
