/** Describes a dataset: counts, ranges and missing values, as numbers and as lines of text. */
import { checkDataset } from '../foundation/check-data.js';
import type { Column, Dataset, FeatureTable } from '../foundation/contract.js';
import { visible, wrap } from '../foundation/text.js';
import { labelCounts, timeUnit, unratedLabel } from './remarks.js';
import type { TimeUnit } from './remarks.js';

/** A feature, and how complete it is. */
export interface DescribedFeature {
  /** The table that the feature is in. */
  of: 'user' | 'item' | 'interaction';
  /** The feature's name. */
  name: string;
  /** The kind of its column. */
  kind: Column['kind'];
  /** Values in the vocabulary; for a dense feature, numbers in each row. */
  size: number;
  /** How many users, items or interactions lack it; undefined if the dataset does not record that. */
  missing: number | undefined;
}

/** The contents of a dataset in numbers; see `describeDataset`. */
export interface DatasetDescription {
  /** Number of interactions. */
  interactions: number;
  /** Users with at least one interaction. */
  users: number;
  /** Items with at least one interaction. */
  items: number;
  /** How many users and items are in a feature table but in no interaction. */
  idle: { users: number; items: number };
  /** Interactions of each user that has any: the fewest, the median and the most. */
  perUser: Spread;
  /** Interactions of each item that has any: the fewest, the median and the most. */
  perItem: Spread;
  /** The first and the last time, and the unit since 1970 that both are probably in; undefined without times. */
  time: { first: number; last: number; unit: TimeUnit | undefined } | undefined;
  /** How often each label occurs; if there are more than 20 different labels, counts over ten ranges of equal width. */
  labels: { from: number; to: number; count: number }[];
  /** The label that may stand for "not rated". */
  unrated: number | undefined;
  /** Share of interactions whose user or item has a row in the feature table; undefined if there is no table. */
  found: { users: number | undefined; items: number | undefined };
  /** The features of users, items and interactions. */
  features: DescribedFeature[];
  /** How many interactions each part of a prescribed split has. */
  parts: Record<string, number> | undefined;
  /** What was changed while reading: rows dropped, duplicates merged, values missing. */
  notes: string[];
  /** The whole description in lines of at most 100 characters. */
  text: string;
}
interface Spread {
  least: number;
  median: number;
  most: number;
}

const WIDTH = 100;
const MOST_LABELS = 20;
const RANGES = 10;

/**
 * Describes what was read: the number of interactions, their period, the labels, how often features are missing, and what the
 * rules left out.
 *
 * ```ts
 * console.log(describeDataset(await openDataset(source)).text);
 * ```
 *
 * @throws {InnerloopError} INVALID_OPTION if `dataset` is not a dataset
 */
export function describeDataset(dataset: Dataset): DatasetDescription {
  checkDataset(dataset, 'dataset');
  const { size, user, item, users, items, part } = dataset;
  const [perUser, perItem] = [spreadOf(user, users.rows), spreadOf(item, items.rows)];
  const features = [
    ...featuresOf('user', users, 1),
    ...featuresOf('item', items, 1),
    ...featuresOf('interaction', dataset.context, 0),
  ];
  const described = {
    interactions: size,
    users: perUser.count,
    items: perItem.count,
    idle: { users: users.rows - 1 - perUser.count, items: items.rows - 1 - perItem.count },
    perUser: perUser.spread,
    perItem: perItem.spread,
    time: timeOf(dataset),
    ...labelsOf(dataset),
    found: { users: shareFound(user, users), items: shareFound(item, items) },
    features,
    parts: part && countsOf(part.data, part.vocabulary.values),
    notes: [...dataset.notes],
  };
  return { ...described, text: linesOf(described).join('\n') };
}

function spreadOf(ids: Int32Array, rows: number): { count: number; spread: Spread } {
  const counts = new Int32Array(rows);
  for (const id of ids) counts[id]++;
  const sorted = counts.filter((count) => count > 0).sort();
  const { length } = sorted;
  if (length === 0) return { count: 0, spread: { least: 0, median: 0, most: 0 } };
  const median = (sorted[(length - 1) >> 1] + sorted[length >> 1]) / 2;
  return { count: length, spread: { least: sorted[0], median, most: sorted[length - 1] } };
}

function timeOf({ time }: Dataset): DatasetDescription['time'] {
  if (time === undefined || time.length === 0) return undefined;
  let [first, last] = [Infinity, -Infinity];
  for (const value of time) {
    if (value < first) first = value;
    if (value > last) last = value;
  }
  const unit = timeUnit(last);
  return { first, last, unit: unit === timeUnit(first) ? unit : undefined };
}

function labelsOf(dataset: Dataset): Pick<DatasetDescription, 'labels' | 'unrated'> {
  const counts = labelCounts(dataset);
  const unrated = counts && unratedLabel(counts);
  if (counts !== undefined && counts.size <= MOST_LABELS)
    return { labels: Array.from(counts, ([value, count]) => ({ from: value, to: value, count })), unrated };
  let [least, most] = [Infinity, -Infinity];
  for (const value of dataset.label) {
    if (value < least) least = value;
    if (value > most) most = value;
  }
  const step = (most - least) / RANGES;
  const ranges = Array.from({ length: RANGES }, (_, k) => ({
    from: least + k * step,
    to: least + (k + 1) * step,
    count: 0,
  }));
  for (const value of dataset.label) ranges[Math.min(RANGES - 1, Math.floor((value - least) / step))].count++;
  return { labels: ranges, unrated };
}

function shareFound(ids: Int32Array, { named }: FeatureTable): number | undefined {
  if (named === undefined || ids.length === 0) return undefined;
  let found = 0;
  for (const id of ids) found += named[id];
  return found / ids.length;
}

function featuresOf(of: DescribedFeature['of'], { columns, rows }: FeatureTable, reserved: number): DescribedFeature[] {
  return columns.map((column) => {
    const { name, kind } = column;
    const size = column.kind === 'dense' ? column.size : column.vocabulary.values.length - 1;
    return { of, name, kind, size, missing: missingOf(column, rows, reserved) };
  });
}

function missingOf(column: Column, rows: number, reserved: number): number | undefined {
  let missing = 0;
  if (column.kind === 'dense') {
    const raw = column.scaling?.raw;
    if (raw === undefined) return undefined;
    for (let row = reserved; row < rows; row++) missing += Number(Number.isNaN(raw[row * column.size]));
  } else if (column.kind === 'categorical') {
    for (let row = reserved; row < rows; row++) missing += Number(column.data[row] === 0);
  } else {
    for (let row = reserved; row < rows; row++) missing += Number(column.offsets[row + 1] === column.offsets[row]);
  }
  return missing;
}

function countsOf(ids: Int32Array, names: readonly string[]): Record<string, number> {
  const counts = new Array<number>(names.length).fill(0);
  for (const id of ids) counts[id]++;
  return Object.fromEntries(names.map((name, id) => [name, counts[id]] as const).slice(1));
}

// ------------------------------------------------------------------------------------------------------------- lines

/** Shares as percentages, all with as many decimals as the smallest of them needs. */
function percents(shares: readonly number[]): string[] {
  const least = Math.min(...shares.filter((share) => share > 0));
  const decimals = least >= 0.001 || least === Infinity ? 1 : 3;
  return shares.map((share) => (share > 0 && share < 0.000005 ? '<0.001 %' : `${(100 * share).toFixed(decimals)} %`));
}
const percent = (share: number): string => percents([share])[0];
const number = (value: number): string => String(Number(value.toPrecision(6)));

function linesOf(of: Omit<DatasetDescription, 'text'>): string[] {
  const { interactions, users, items, idle, perUser, perItem, time, parts } = of;
  const pairs = users * items;
  return [
    `${interactions} interactions of ${users} users with ${items} items${pairs === 0 ? '' : `, ${percent(interactions / pairs)} of all pairs`}`,
    ...entry(
      'per user',
      `${perUser.least} to ${perUser.most}, ${perUser.median} at the median${idle.users > 0 ? `; ${idle.users} more users have none` : ''}`,
    ),
    ...entry(
      'per item',
      `${perItem.least} to ${perItem.most}, ${perItem.median} at the median${idle.items > 0 ? `; ${idle.items} more items have none` : ''}`,
    ),
    ...(time === undefined ? [] : entry('time', timeText(time))),
    ...labelLines(of),
    ...(parts === undefined
      ? []
      : entry(
          'parts',
          Object.entries(parts)
            .map(([name, count]) => `${visible(name)} ${count}`)
            .join(', '),
        )),
    ...(['users', 'items'] as const).flatMap((side) => {
      const share = of.found[side];
      return share === undefined
        ? []
        : entry(`${side} table`, `names the ${side.slice(0, -1)} of ${percent(share)} of the interactions`);
    }),
    ...of.features.flatMap((feature) => entry(`${feature.of}s`, featureText(feature))),
    ...of.notes.flatMap((note) => entry('note', visible(note))),
  ];
}

const INDENT = 13;

/** A text in wrapped lines, the first with `name` before it; a word that is longer than a line is cut. */
function entry(name: string, text: string): string[] {
  const width = WIDTH - INDENT;
  const cut = wrap(text, width).flatMap((line) => Array.from(chunks([...line], width), (part) => part.join('')));
  return cut.map((line, k) => `${(k === 0 ? name : '').padEnd(INDENT)}${line}`);
}

function* chunks<T>(all: readonly T[], size: number): Generator<readonly T[]> {
  for (let at = 0; at < Math.max(1, all.length); at += size) yield all.slice(at, at + size);
}

const PER_SECOND: Readonly<Record<TimeUnit, number>> = { s: 1, ms: 1e3, us: 1e6, ns: 1e9 };

function timeText({ first, last, unit }: NonNullable<DatasetDescription['time']>): string {
  if (unit === undefined) return `${first} to ${last}`;
  const day = (value: number) => new Date((value / PER_SECOND[unit]) * 1000).toISOString().slice(0, 10);
  return `${day(first)} to ${day(last)}${unit === 's' ? '' : `, as numbers of ${unit} since 1970`}`;
}

function labelLines({ labels, unrated, interactions }: Omit<DatasetDescription, 'text'>): string[] {
  const most = Math.max(...labels.map(({ count }) => count));
  const shares = percents(labels.map(({ count }) => count / interactions));
  const width = Math.max(7, ...shares.map(({ length }) => length));
  return labels.map(({ from, to, count }, k) => {
    const value = from === to ? number(from) : `${number(from)} to ${number(to)}`;
    const bar = '█'.repeat(Math.round((30 * count) / most));
    const what = unrated !== undefined && from === unrated && to === unrated ? '  not rated?' : '';
    return `${(k === 0 ? 'labels' : '').padEnd(INDENT)}${value.padStart(8)}  ${shares[k].padStart(width)} ${bar}${what}`.trimEnd();
  });
}

function featureText({ name, kind, size, missing, of }: DescribedFeature): string {
  const what = kind === 'dense' ? (size === 1 ? 'numbers' : `${size} numbers each`) : `${kind}, ${size} values`;
  const gap = missing === undefined || missing === 0 ? '' : `; missing of ${missing} ${of}s`;
  return `${visible(name)}: ${what}${gap}`;
}
