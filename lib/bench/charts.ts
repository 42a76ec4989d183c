/** Line charts with error bars as inline SVG: no script, no font, no colour of their own (classes, see style.ts). */
import { digits } from './format.js';

export interface Mark {
  y: number;
  low?: number;
  high?: number;
}
export interface Series {
  name: string;
  /** Colour class. */
  tone: 'first' | 'second' | 'plain';
  dashed?: boolean;
  marks: readonly Mark[];
}
export interface Chart {
  title: string;
  /** Of the vertical axis. */
  unit: string;
  /** Of the horizontal axis, whose values stand evenly spaced. */
  factor: string;
  values: readonly number[];
  series: readonly Series[];
  /** A line across, such as ratio 1. */
  reference?: number;
}

const WIDTH = 400;
const HEIGHT = 250;
const LEFT = 46;
const RIGHT = 14;
const TOP = 12;
const BOTTOM = 42;
/** A chart whose largest value is this many times its smallest has a logarithmic axis. */
const LOG_FROM = 12;

interface Scale {
  ticks: number[];
  at(value: number): number;
  isLog: boolean;
}

/** A figure: title, SVG and legend. */
export function figure(chart: Chart): string {
  const scale = scaleOf(chart);
  const legend = chart.series.map(({ name, tone, dashed }) => `<span class="key"><svg width="26" height="10" aria-hidden="true">${stroke(`M1 5H25`, tone, dashed)}</svg>${escape(name)}</span>`);
  const unit = `${chart.unit}${scale.isLog ? ', logarithmic' : ''}`;
  return `<figure><figcaption><b>${escape(chart.title)}</b> <span class="unit">${escape(unit)}</span></figcaption>${svg(chart, scale)}<div class="legend">${legend.join('')}</div></figure>`;
}

export const escape = (text: string) => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

function svg({ title, unit, factor, values, series, reference }: Chart, scale: Scale): string {
  const span = WIDTH - LEFT - RIGHT;
  const x = (v: number) => (values.length === 1 ? LEFT + span / 2 : LEFT + span * (0.06 + (0.88 * v) / (values.length - 1)));
  const base = HEIGHT - BOTTOM;
  const grid = scale.ticks.map((tick) => {
    const y = round(scale.at(tick));
    return `<path class="grid" d="M${LEFT} ${y}H${WIDTH - RIGHT}"/><text class="tick" x="${LEFT - 7}" y="${y + 4}" text-anchor="end">${label(tick)}</text>`;
  });
  const names = values.map((value, v) => `<text class="tick" x="${round(x(v))}" y="${base + 17}" text-anchor="middle">${value}</text>`);
  const axis = `<path class="axis" d="M${LEFT} ${base}H${WIDTH - RIGHT}"/><text class="name" x="${LEFT + span / 2}" y="${HEIGHT - 5}" text-anchor="middle">${escape(factor)}</text>`;
  const across = reference === undefined ? '' : `<path class="reference" d="M${LEFT} ${round(scale.at(reference))}H${WIDTH - RIGHT}"/>`;
  const lines = series.map((one, s) => {
    // Side by side, so that error bars of equal values can be told apart.
    const aside = (s - (series.length - 1) / 2) * 4;
    return line(one, (v) => round(x(v) + aside), scale, (v) => `${one.name}, ${factor} ${values[v]}`, unit);
  });
  const text = `${title} (${unit}) by ${factor}: ${series.map(({ name }) => name).join(', ')}`;
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escape(text)}">${[...grid, across, axis, ...names, ...lines].join('')}</svg>`;
}

function line({ tone, dashed, marks }: Series, x: (v: number) => number, scale: Scale, name: (v: number) => string, unit: string): string {
  const y = (value: number) => round(scale.at(value));
  const path = marks.map((mark, v) => `${v === 0 ? 'M' : 'L'}${x(v)} ${y(mark.y)}`).join('');
  const bars = marks.map(({ low, high }, v) => {
    if (low === undefined || high === undefined) return '';
    return `M${x(v)} ${y(low)}V${y(high)}M${x(v) - 3} ${y(low)}h6M${x(v) - 3} ${y(high)}h6`;
  });
  const dots = marks.map((mark, v) => {
    const range = mark.low === undefined || mark.high === undefined ? '' : ` (${digits(mark.low)}–${digits(mark.high)})`;
    return `<circle class="dot ${tone}${dashed ? ' hollow' : ''}" cx="${x(v)}" cy="${y(mark.y)}" r="3.6"><title>${escape(`${name(v)}: ${digits(mark.y)} ${unit}${range}`)}</title></circle>`;
  });
  return `${stroke(path, tone, dashed)}<path class="bar ${tone}" d="${bars.join('')}"/>${dots.join('')}`;
}

const stroke = (d: string, tone: string, dashed: boolean | undefined) => `<path class="line ${tone}${dashed ? ' dashed' : ''}" d="${d}"/>`;

function scaleOf({ series, reference }: Chart): Scale {
  const marks = series.flatMap((one) => one.marks);
  const middles = marks.map(({ y }) => y);
  const span = HEIGHT - BOTTOM - TOP;
  const isLog = reference === undefined && Math.min(...middles) > 0 && Math.max(...middles) / Math.min(...middles) > LOG_FROM;
  // A bar may leave the chart where it is far longer than the values differ: it is cut, and the table has its ends.
  const high = Math.min(Math.max(...marks.map((mark) => mark.high ?? mark.y)), 2.2 * Math.max(...middles));
  const low = Math.max(Math.min(...marks.map((mark) => mark.low ?? mark.y)), Math.min(...middles) / 3);
  const clamp = (share: number) => HEIGHT - BOTTOM - span * Math.min(1.03, Math.max(0, share));
  if (!isLog) {
    const ticks = linearTicks(Math.max(high, reference ?? 0));
    const top = ticks[ticks.length - 1];
    return { ticks, isLog, at: (value) => clamp(value / top) };
  }
  const [from, to] = [Math.log(low * 0.85), Math.log(high * 1.15)];
  return { ticks: logTicks(low * 0.85, high * 1.15), isLog, at: (value) => clamp((Math.log(value) - from) / (to - from)) };
}

function linearTicks(most: number): number[] {
  const rough = (most || 1) / 4;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = unit * ([1, 2, 2.5, 5].find((factor) => factor * unit >= rough) ?? 10);
  return Array.from({ length: Math.ceil(most / step - 1e-9) + 1 }, (_, i) => i * step);
}

function logTicks(low: number, high: number): number[] {
  const ticks = (factors: readonly number[]) => {
    const found: number[] = [];
    for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e++) {
      for (const factor of factors) if (factor * 10 ** e >= low && factor * 10 ** e <= high) found.push(factor * 10 ** e);
    }
    return found;
  };
  const fine = ticks([1, 2, 5]);
  return fine.length <= 7 ? fine : ticks([1]);
}

function label(tick: number): string {
  if (tick >= 1000) return `${Number((tick / 1000).toPrecision(3))}k`;
  return String(Number(tick.toPrecision(3)));
}

const round = (value: number) => Math.round(value * 10) / 10;
