/** What labels and times look like that their numbers do not say: not yet rated, all the same, dates written as numbers. */
import type { Dataset } from '../foundation/contract.js';
import { advice } from './table-source.js';

/** So many different labels are counted one by one; ratings have fewer. */
const MOST_VALUES = 1000;

/** How often each label is there, by label; undefined where there are too many to tell. */
export function labelCounts({ label }: Pick<Dataset, 'label'>): Map<number, number> | undefined {
  // A hash table of typed arrays: a Map would take a second for twenty million rows.
  const slots = 4096;
  const values = new Float32Array(slots);
  const counts = new Float64Array(slots);
  const bits = new Uint32Array(label.buffer, label.byteOffset, label.length);
  let used = 0;
  for (let i = 0; i < label.length; i++) {
    const value = label[i];
    let at = Math.imul(bits[i], 0x9e3779b1) >>> 20;
    while (counts[at] > 0 && values[at] !== value) at = (at + 1) % slots;
    if (counts[at] === 0) {
      values[at] = value;
      if (++used > MOST_VALUES) return undefined;
    }
    counts[at]++;
  }
  const found = Array.from(counts, (count, at) => [values[at], count] as const).filter(([, count]) => count > 0);
  return new Map(found.sort(([x], [y]) => x - y));
}

/** The label that may stand for "not rated": -1 beside others that are not negative, 0 beside ratings that begin above it. */
export function unratedLabel(counts: ReadonlyMap<number, number>): number | undefined {
  const [first, second, third] = counts.keys();
  if (first === undefined || second === undefined) return undefined;
  if (first === -1 && second >= 0 && (second !== 1 || third !== undefined)) return -1;
  // 0, 1, 2 … and 0.5 steps from 0 on count from nothing; 0 beside ratings from 1 on up to 5 or 10 does so seldom.
  return first === 0 && second >= 1 && third !== undefined && Math.max(...counts.keys()) >= 4 ? 0 : undefined;
}

/** Notes of labels that may mean something else than their number. @param nulls the markers of missing values */
export function remarkLabels(dataset: Dataset, nulls: readonly string[]): void {
  const counts = labelCounts(dataset);
  if (counts === undefined) return;
  const { size, notes } = dataset;
  if (counts.size === 1 && size > 1) {
    notes.push(
      `all ${size} labels are ${[...counts.keys()][0]}: they say that something happened and not how much; held-out items are ranked in the whole catalogue`,
    );
    return;
  }
  const unrated = unratedLabel(counts);
  if (unrated === undefined) return;
  const values = [...counts.keys()];
  notes.push(
    `${counts.get(unrated)} of ${size} labels are ${unrated}, the others from ${values[1]} to ${values.at(-1)}; if ${unrated} stands for not rated, ${advice('interactions', { nulls: [...nulls, String(unrated)] })} and ${advice('the data', { missingLabel: 'drop' })}`,
  );
}

/**
 * The note of numbers that float32, which holds seven digits, makes others: whole numbers that are another one there, and those that
 * doubles do not tell apart from their neighbours. Fractions are rounded too, by less than labels are measured with.
 *
 * @param value one of them, as the source has it
 */
export function rounding(field: string, count: number, value: unknown): string {
  const read = Math.fround(Number(value));
  return `${field}: ${count} ${count === 1 ? 'number has' : 'numbers have'} more digits than float32 holds and ${count === 1 ? 'was' : 'were'} rounded, such as ${String(value)} to ${read}; where the last digits matter, subtract a constant or divide in sql`;
}
/** Whether float32 makes another number of a whole one, in JavaScript. */
export const isRounded = (value: number): boolean =>
  Number.isInteger(value) && (Math.fround(value) !== value || Math.abs(value) > Number.MAX_SAFE_INTEGER);
/** The same as a condition in SQL, of a DOUBLE. */
export const roundedCondition = (name: string): string =>
  `(${name} = trunc(${name}) AND (${name}::FLOAT <> ${name} OR abs(${name}) > ${Number.MAX_SAFE_INTEGER}))`;

/** From where on a number of units since 1970 is a time after 1973, and a thousand times that. */
const UNITS = [
  { unit: 's', from: 1e8, to: 1e11 },
  { unit: 'ms', from: 1e11, to: 1e14 },
  { unit: 'us', from: 1e14, to: 1e17 },
  { unit: 'ns', from: 1e17, to: 1e20 },
] as const;
export type TimeUnit = (typeof UNITS)[number]['unit'];

/** The unit that a time since 1970 is probably in. */
export const timeUnit = (time: number): TimeUnit | undefined =>
  UNITS.find(({ from, to }) => time >= from && time < to)?.unit;

/** Notes of times that are hardly what their numbers say. */
export function remarkTimes({ time, notes }: Dataset): void {
  if (time === undefined) return;
  let [first, last] = [Infinity, -Infinity];
  let written = DATE_NUMBERS;
  for (const value of time) {
    if (value < first) first = value;
    if (value > last) last = value;
    if (written.length > 0) written = written.filter(({ unit }) => isDateNumber(value, unit));
  }
  if (written.length > 0) {
    notes.push(
      `interactions.time: ${first} to ${last} look like dates written as numbers, and were read as numbers: differences between them are none of days; ${advice('interactions', { timeFormat: written[0].pattern })}`,
    );
    return;
  }
  const [a, b] = [timeUnit(first), timeUnit(last)];
  if (a !== undefined && b !== undefined && a !== b)
    notes.push(
      `interactions.time: from ${first}, which looks like ${a} since 1970, to ${last}, which looks like ${b}: rows of both have no common order`,
    );
}

/** Dates in one number, with what a day is in it: 20200131, and the same with hours, minutes and seconds behind it. */
const DATE_NUMBERS: readonly { pattern: string; unit: number }[] = [
  { pattern: '%Y%m%d', unit: 1 },
  { pattern: '%Y%m%d%H%M', unit: 1e4 },
  { pattern: '%Y%m%d%H%M%S', unit: 1e6 },
];

function isDateNumber(value: number, unit: number): boolean {
  const date = Math.floor(value / unit);
  const [year, month, day] = [Math.floor(date / 1e4), Math.floor(date / 100) % 100, date % 100];
  const clock = value % unit;
  const [hour, rest] =
    unit === 1e6 ? [Math.floor(clock / 1e4), clock % 1e4] : [Math.floor(clock / 100), (clock % 100) * 100];
  const isClock = unit === 1 || (hour < 24 && Math.floor(rest / 100) < 60 && rest % 100 < 60);
  const isDay = year >= 1900 && year <= 2100 && month >= 1 && month <= 12 && day >= 1 && day <= 31;
  return Number.isInteger(value) && isDay && isClock;
}
