/** Line charts with error bars as inline SVG. */
import { linearScale, logScale, tickLabel, valueText } from './scale.js';
import type { Scale } from './scale.js';
import { escape, line, round, TONES } from './svg.js';
import type { Drawing, Key, Tone } from './svg.js';

/** Points by rising x; where y is null the line has a gap, where `low` or `high` is, the point has no bar. */
export interface LineSeries {
  name: string;
  x: readonly number[];
  y: readonly (number | null)[];
  low?: readonly (number | null)[];
  high?: readonly (number | null)[];
  /** Default: the next colour. */
  tone?: Tone;
  dashed?: boolean;
}
export interface LineChart {
  title: string;
  /** Names of the values 0, 1 … of x, which take the place of the numbers. */
  names?: readonly string[];
  /** Names of the axes. */
  x: string;
  y: string;
  series: readonly LineSeries[];
  /** A line across, such as ratio 1. */
  reference?: number;
  /** How values of x stand: `even`ly side by side, or at their distances. Default `even` for up to 12 of them. */
  spacing?: 'even' | 'linear';
  /** Where the vertical axis starts: `zero`, logarithmic where values differ twelvefold, or `data`, near the least value. Default `data`. */
  from?: 'zero' | 'data';
}

const WIDTH = 400;
const HEIGHT = 250;
const LEFT = 50;
const RIGHT = 14;
const TOP = 12;
const BOTTOM = 42;
const BASE = HEIGHT - BOTTOM;
/** A chart from zero whose largest value is this many times its smallest has a logarithmic axis. */
const LOG_FROM = 12;
const MOST_EVEN = 12;
const MOST_DOTS = 30;
const MOST_NAMES = 8;

interface Axes {
  chart: LineChart;
  values: readonly number[];
  x: (value: number) => number;
  y: (value: number) => number;
}

export function drawLines(chart: LineChart): Drawing {
  const { title, series, reference } = chart;
  const values = [...new Set(series.flatMap((one) => [...one.x]))].sort((a, b) => a - b);
  const horizontal = horizontalAxis(chart, values);
  const vertical = verticalAxis(chart);
  // A bar may leave the chart where it is far longer than the values differ: it is cut, and the table has its ends.
  const y = (value: number) => BASE - (BASE - TOP) * Math.min(1.03, Math.max(0, vertical.share(value)));
  const axes: Axes = { chart, values, x: horizontal.at, y };
  const grid = vertical.ticks.map((tick) => {
    const at = round(y(tick));
    return `<path class="grid" d="M${LEFT} ${at}H${WIDTH - RIGHT}"/><text class="tick" x="${LEFT - 7}" y="${at + 4}" text-anchor="end">${tickLabel(tick)}</text>`;
  });
  const names = horizontal.ticks.map(
    (tick) =>
      `<text class="tick" x="${round(horizontal.at(tick))}" y="${BASE + 17}" text-anchor="middle">${chart.names === undefined ? tickLabel(tick) : escape(chart.names[tick] ?? '')}</text>`,
  );
  const across =
    reference === undefined ? '' : `<path class="reference" d="M${LEFT} ${round(y(reference))}H${WIDTH - RIGHT}"/>`;
  const axis = `<path class="axis" d="M${LEFT} ${BASE}H${WIDTH - RIGHT}"/><text class="name" x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 5}" text-anchor="middle">${escape(chart.x)}</text>`;
  const keys = series.map((one, s): Key => ({
    name: one.name,
    tone: one.tone ?? TONES[s % TONES.length],
    dashed: one.dashed ?? (one.tone === undefined && s >= TONES.length),
  }));
  const unit = `${chart.y}${vertical.isLog ? ', logarithmic' : ''}`;
  return {
    title,
    unit,
    width: WIDTH,
    height: HEIGHT,
    content: [...grid, across, axis, ...names, ...series.map((one, s) => drawSeries(axes, one, keys[s], s))].join(''),
    description: `${title} (${chart.y}) by ${chart.x}: ${series.map(({ name }) => name).join(', ')}`,
    legend: keys,
  };
}

function drawSeries(
  { chart, values, x, y }: Axes,
  { name, x: at, y: height, low = [], high = [] }: LineSeries,
  key: Key,
  s: number,
): string {
  // Side by side, so that error bars of equal values can be told apart.
  const aside =
    chart.spacing === 'linear' || values.length > MOST_EVEN
      ? 0
      : (s - (chart.series.length - 1) / 2) * Math.min(4, 24 / chart.series.length);
  let path = '';
  let bars = '';
  const dots: string[] = [];
  let isOpen = false;
  at.forEach((value, i) => {
    const middle = height[i];
    if (middle === null || middle === undefined) {
      isOpen = false;
      return;
    }
    const px = round(x(value) + aside);
    path += `${isOpen ? 'L' : 'M'}${px} ${round(y(middle))}`;
    isOpen = true;
    const [from, to] = [low[i], high[i]];
    if (typeof from === 'number' && typeof to === 'number')
      bars += `M${px} ${round(y(from))}V${round(y(to))}M${px - 3} ${round(y(from))}h6M${px - 3} ${round(y(to))}h6`;
    if (at.length > MOST_DOTS) return;
    const text = `${name}, ${chart.x} ${tickLabel(value)}: ${valueText(middle, from, to)} ${chart.y}`;
    dots.push(
      `<circle class="dot ${key.tone}${key.dashed ? ' hollow' : ''}" cx="${px}" cy="${round(y(middle))}" r="3.6"><title>${escape(text)}</title></circle>`,
    );
  });
  return `${line(path, key)}${bars === '' ? '' : `<path class="bar ${key.tone}" d="${bars}"/>`}${dots.join('')}`;
}

function horizontalAxis(
  { spacing }: LineChart,
  values: readonly number[],
): { ticks: readonly number[]; at: (value: number) => number } {
  const span = WIDTH - LEFT - RIGHT;
  const place = (share: number) => LEFT + span * (0.06 + 0.88 * share);
  if (values.length < 2) return { ticks: values, at: () => LEFT + span / 2 };
  const isEven = spacing === undefined ? values.length <= MOST_EVEN : spacing === 'even';
  if (isEven) {
    const every = Math.ceil(values.length / MOST_EVEN);
    return {
      ticks: values.filter((_, v) => v % every === 0),
      at: (value) => place(values.indexOf(value) / (values.length - 1)),
    };
  }
  const [first, last] = [values[0], values[values.length - 1]];
  const at = (value: number) => place((value - first) / (last - first));
  return { ticks: linearScale(first, last, MOST_NAMES).ticks.filter((tick) => tick >= first && tick <= last), at };
}

function verticalAxis({ series, reference, from }: LineChart): Scale {
  const numbers = (lists: readonly (readonly (number | null)[] | undefined)[]) =>
    lists.flatMap((list) => (list ?? []).filter((value) => value !== null));
  const middles = numbers(series.map(({ y }) => y));
  const across = reference === undefined ? [] : [reference];
  if (middles.length === 0) return linearScale(0, 1);
  const all = [
    ...middles,
    ...numbers(series.map(({ low }) => low)),
    ...numbers(series.map(({ high }) => high)),
    ...across,
  ];
  const [least, most] = [middles.reduce((a, b) => Math.min(a, b)), middles.reduce((a, b) => Math.max(a, b))];
  const [lowest, highest] = [all.reduce((a, b) => Math.min(a, b)), all.reduce((a, b) => Math.max(a, b))];
  if (from !== 'zero') {
    const room = 3 * Math.max(most - least, 0.05 * Math.abs(most));
    return linearScale(
      Math.max(lowest, Math.min(least, ...across) - room),
      Math.min(highest, Math.max(most, ...across) + room),
    );
  }
  const top = Math.min(highest, 2.2 * most);
  if (reference === undefined && least > 0 && most / least > LOG_FROM)
    return logScale(0.85 * Math.max(lowest, least / 3), 1.15 * top);
  return linearScale(0, Math.max(top, reference ?? 0));
}
