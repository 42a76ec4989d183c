/** Line charts with error bars as inline SVG. */
import { drawEndLabels, endLabels, LEAD } from './end-labels.js';
import type { End } from './end-labels.js';
import { linearScale, logScale, tickLabel, valueText } from './scale.js';
import type { Scale } from './scale.js';
import { escape, line, mark, round, TONES, touched } from './svg.js';
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
/** At the right of a chart without labels. */
const MARGIN = 14;
const TOP = 12;
const BOTTOM = 42;
const BASE = HEIGHT - BOTTOM;
/** A chart from zero whose largest value is this many times its smallest has a logarithmic axis. */
const LOG_FROM = 12;
const MOST_EVEN = 12;
const MOST_DOTS = 30;
/** Points of a line without marks whose values are shown to the pointer. */
const MOST_TOUCHED = 60;
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
  // A series without a point has no end to be named at.
  const labels = series.every(({ y }) => y.some((value) => value !== null))
    ? endLabels(
        series.map(({ name }) => name),
        BASE - TOP,
      )
    : undefined;
  const right = labels === undefined ? WIDTH - MARGIN : WIDTH - labels.room - LEAD;
  const horizontal = horizontalAxis(chart, values, right);
  const vertical = verticalAxis(chart);
  // A bar may leave the chart where it is far longer than the values differ: it is cut, and the table has its ends.
  const y = (value: number) => BASE - (BASE - TOP) * Math.min(1.03, Math.max(0, vertical.share(value)));
  const axes: Axes = { chart, values, x: horizontal.at, y };
  const grid = vertical.ticks.map((tick) => {
    const at = round(y(tick));
    return `<path class="grid" d="M${LEFT} ${at}H${right}"/><text class="tick" x="${LEFT - 7}" y="${at + 4}" text-anchor="end">${tickLabel(tick)}</text>`;
  });
  const names = horizontal.ticks.map(
    (tick) =>
      `<text class="tick" x="${round(horizontal.at(tick))}" y="${BASE + 17}" text-anchor="middle">${chart.names === undefined ? tickLabel(tick) : escape(chart.names[tick] ?? '')}</text>`,
  );
  const across =
    reference === undefined ? '' : `<path class="reference" d="M${LEFT} ${round(y(reference))}H${right}"/>`;
  const axis = `<path class="axis" d="M${LEFT} ${BASE}H${right}"/><text class="name" x="${(LEFT + right) / 2}" y="${HEIGHT - 5}" text-anchor="middle">${escape(chart.x)}</text>`;
  const keys = series.map((one, s): Key => ({
    name: one.name,
    tone: one.tone ?? TONES[s % TONES.length],
    dashed: one.dashed ?? (one.tone === undefined && s >= TONES.length),
  }));
  const ends = series.map((one, s): End | undefined => {
    const last = one.y.findLastIndex((value) => value !== null);
    if (labels === undefined || last < 0) return undefined;
    const x = horizontal.at(one.x[last]) + asideOf(axes, s);
    return { key: keys[s], lines: labels.lines[s], x, y: y(one.y[last]!) };
  });
  const named = drawEndLabels(
    ends.filter((end) => end !== undefined),
    right + LEAD,
    [TOP - 6, BASE + 6],
  );
  // A line and its name are one group, so that the pointer on either sets the line off from the others.
  const lines = series.map((one, s) => {
    const label = ends[s] === undefined ? '' : named.get(ends[s]);
    return `<g class="series">${drawSeries(axes, one, keys[s], s)}${label}</g>`;
  });
  return {
    ...captionOf(chart, vertical.isLog),
    width: WIDTH,
    height: HEIGHT,
    content: [...grid, across, axis, ...names, ...lines].join(''),
    description: `${title} (${chart.y}) by ${chart.x}: ${series.map(({ name }) => name).join(', ')}`,
    legend: labels === undefined ? keys : [],
  };
}

/** Title and unit as they are shown beside the axes: what an axis says is not said again. */
function captionOf({ title, x, y }: LineChart, isLog: boolean): Pick<Drawing, 'title' | 'unit'> {
  const by = ` by ${x}`;
  const shown = title.endsWith(by) ? title.slice(0, -by.length) : title.replace(`${by},`, ',');
  const unit = shown.toLowerCase().includes(y.toLowerCase()) ? '' : y;
  return { title: shown, unit: [unit, isLog ? 'logarithmic' : ''].filter((part) => part !== '').join(', ') };
}

/** How far a series is drawn beside its values of x, so that points and error bars of equal values can be told apart. */
function asideOf(axes: Axes, s: number): number {
  const {
    chart: { spacing, series },
    values,
  } = axes;
  if (spacing === 'linear' || values.length > MOST_EVEN) return 0;
  return (s - (series.length - 1) / 2) * stepOf(axes);
}

/** The distance between series at a value of x: they take at most two thirds of the room that the value has. */
function stepOf({ chart: { series }, values, x }: Axes): number {
  const room = values.length < 2 ? WIDTH / 2 : x(values[1]) - x(values[0]);
  return Math.min(7, (2 * room) / (3 * series.length));
}

function drawSeries(
  axes: Axes,
  { name, x: at, y: height, low = [], high = [] }: LineSeries,
  key: Key,
  s: number,
): string {
  const { chart, x, y } = axes;
  const aside = asideOf(axes, s);
  // Ends of error bars that are wider than the distance of the series would overlap.
  const cap = aside === 0 && chart.series.length === 1 ? 3 : round(Math.min(3, 0.45 * stepOf(axes)));
  const every = Math.ceil(at.length / MOST_TOUCHED);
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
      bars += `M${px} ${round(y(from))}V${round(y(to))}M${round(px - cap)} ${round(y(from))}h${2 * cap}M${round(px - cap)} ${round(y(to))}h${2 * cap}`;
    const text = `${name}, ${chart.x} ${tickLabel(value)}: ${valueText(middle, from, to)} ${chart.y}`;
    if (at.length <= MOST_DOTS) dots.push(mark(key.tone, px, round(y(middle)), key.dashed === true, text));
    // A line of many points has no marks; its values show where the pointer is.
    else if (i % every === 0 || i === at.length - 1) dots.push(touched(px, round(y(middle)), text));
  });
  return `${line(path, key)}${bars === '' ? '' : `<path class="bar ${key.tone}" d="${bars}"/>`}${dots.join('')}`;
}

function horizontalAxis(
  { spacing }: LineChart,
  values: readonly number[],
  right: number,
): { ticks: readonly number[]; at: (value: number) => number } {
  const span = right - LEFT;
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
  const isWhole = values.every(Number.isInteger);
  const { ticks } = linearScale(first, last, MOST_NAMES);
  return { ticks: ticks.filter((tick) => tick >= first && tick <= last && (!isWhole || Number.isInteger(tick))), at };
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
