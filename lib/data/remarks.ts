/** Notes on labels and times that may not mean what their numbers say: not rated, all equal, dates written as numbers. */
import type { Dataset } from '../foundation/contract.js';
import { advice } from './table-source.js';

/** Labels are counted one by one up to this many different values; ratings have far fewer. */
export const MOST_VALUES = 1000;

/** How often each label occurs, in ascending order of the labels; undefined if there are too many different ones. */
export function labelCounts({ label }: Pick<Dataset, 'label'>): Map<number, number> | undefined {
  // A hash table in typed arrays is used because a Map would take a second for twenty million rows.
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

/** The label that may stand for "not rated": -1 if all others are at least 0, or 0 if the ratings start at 1 or above. */
export function unratedLabel(counts: ReadonlyMap<number, number>): number | undefined {
  const [first, second, third] = counts.keys();
  if (first === undefined || second === undefined) return undefined;
  if (first === -1 && second >= 0 && (second !== 1 || third !== undefined)) return -1;
  // With labels such as 0, 1, 2 or in steps of 0.5 from 0 on, 0 is a value; beside ratings up to 5 or 10 it seldom is.
  return first === 0 && second >= 1 && third !== undefined && Math.max(...counts.keys()) >= 4 ? 0 : undefined;
}

/**
 * Adds a note if labels may mean something else than their number.
 * @param nulls texts that stand for a missing value
 */
export function remarkLabels(dataset: Dataset, nulls: readonly string[]): void {
  const counts = labelCounts(dataset);
  if (counts !== undefined) remarkCounts(counts, dataset, nulls);
}

/** Adds the note of {@link remarkLabels}, from the counts of the labels. */
export function remarkCounts(
  counts: ReadonlyMap<number, number>,
  { size, notes }: Pick<Dataset, 'size' | 'notes'>,
  nulls: readonly string[],
): void {
  if (counts.size === 1 && size > 1) {
    notes.push(
      `all ${size} labels are ${[...counts.keys()][0]}: they say that an interaction took place and not how much it was liked; held-out items are ranked among all items`,
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
 * The note on whole numbers that float32, which holds seven digits, changes, and on those so large that doubles do not tell them
 * from their neighbours. Fractions are rounded without a note, because labels are not measured to seven digits.
 *
 * @param value one of these numbers, as the source has it
 */
export function rounding(field: string, count: number, value: unknown): string {
  const read = Math.fround(Number(value));
  return `${field}: ${count} ${count === 1 ? 'number has' : 'numbers have'} more digits than float32 holds and ${count === 1 ? 'was' : 'were'} rounded, such as ${String(value)} to ${read}; where the last digits matter, subtract a constant or divide in sql`;
}
/** Whether a number is a whole one that float32 changes, or that is above the integers that doubles hold exactly. */
export const isRounded = (value: number): boolean =>
  Number.isInteger(value) && (Math.fround(value) !== value || Math.abs(value) > Number.MAX_SAFE_INTEGER);
/** The condition of {@link isRounded} in SQL, for a column of type DOUBLE. */
export const roundedCondition = (name: string): string =>
  `(${name} = trunc(${name}) AND (${name}::FLOAT <> ${name} OR abs(${name}) > ${Number.MAX_SAFE_INTEGER}))`;

/** The range of numbers that are probably times in each unit since 1970; in seconds, 1e8 is in 1973 and 1e11 in the year 5138. */
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

/** Adds a note if times look like dates written as numbers, or like a mixture of units. */
export function remarkTimes({ time, notes }: Pick<Dataset, 'time' | 'notes'>): void {
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
      `interactions.time: ${first} to ${last} look like dates written as numbers, and were read as numbers, so their differences are not durations; ${advice('interactions', { timeFormat: written[0].pattern })}`,
    );
    return;
  }
  const [a, b] = [timeUnit(first), timeUnit(last)];
  if (a !== undefined && b !== undefined && a !== b)
    notes.push(
      `interactions.time: from ${first}, which looks like ${a} since 1970, to ${last}, which looks like ${b}: rows of both have no common order`,
    );
}

/** Dates written as one number, such as 20200131, also followed by hours, minutes and seconds; `unit` is the value of one day. */
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
