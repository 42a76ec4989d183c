/** Reads a column of times as doubles: numbers as they are, dates as Unix seconds, in an order that rounding does not change. */
import { InnerloopError, show } from '../foundation/errors.js';
import { quoteLiteral } from './duckdb.js';
import type { DuckSession } from './duckdb.js';
import { TIME_UNITS } from './source-options.js';
import { advice } from './table-source.js';
import { asText, BAD, isMissing, isNull, isNumeric, isText, numberExpression, quickNumber, trimmed } from './values.js';
import type { ValueRules } from './values.js';

/** From this size on, doubles do not hold every integer. */
const EXACT_LIMIT = 2 ** 53;

/** The SQL expressions for a column of times. */
export interface TimeExpression {
  /** The time as a DOUBLE: null where it is missing, infinite where the value is not a time. */
  number: string;
  /** The time as an exact number, which orders times that doubles cannot tell apart. */
  exact: string;
  /** A condition that holds for rows whose time may have more digits than a double; undefined if `limit` alone decides. */
  fine: string | undefined;
  /** The absolute value from which on a double may have lost digits. */
  limit: number;
  /** A faster form of `number` for columns without missing or bad values, as made by `quickNumber`. */
  quick: string | undefined;
}

const TEMPORAL = /^(DATE|TIMESTAMP.*)$/;
/** Casts a text only if it begins with a four-digit year, after which month and day have a fixed order. The default zone is UTC. */
const isoTimestamp = (text: string, type: string): string =>
  `TRY_CAST(CASE WHEN substr(${text}, 5, 1) IN ('-', '/') THEN ${text} END AS ${type})`;

/** Milliseconds since 1970 as .NET writes them in JSON, such as `/Date(1578877262000+0200)/`; the offset does not change the time. */
const NET_DATE = String.raw`^/Date\((-?\d+)(?:[-+]\d{4})?\)/$`;

/**
 * Makes the SQL expressions that turn a column into times.
 * @param first the first value of the column that is not missing. It decides whether texts are read as numbers or dates; a value of
 * the other kind is an error.
 */
export function timeExpression(
  expression: string,
  type: string,
  field: string,
  rules: ValueRules,
  first: string | undefined,
): TimeExpression {
  const [unit] = rules.timeFormat ?? [];
  const scale = TIME_UNITS[unit];
  if (TEMPORAL.test(type)) {
    const exact =
      type === 'TIMESTAMP_NS'
        ? `epoch_ns(${expression})`
        : `epoch_us(${type === 'DATE' ? `CAST(${expression} AS TIMESTAMP)` : expression})`;
    return {
      number: `CAST(epoch(${expression}) AS DOUBLE)`,
      exact,
      fine: type === 'TIMESTAMP_NS' ? `(${exact} % 1000 <> 0)` : undefined,
      limit: Infinity,
      quick: undefined,
    };
  }
  if (!isText(type) && !isNumeric(type) && !isNull(type))
    throw new InnerloopError('INVALID_DATA', `a column of type ${type}`, {
      field,
      expected: 'a number, a TIMESTAMP or a DATE',
    });
  const text = trimmed(asText(expression, type));
  if (rules.timeFormat !== undefined && scale === undefined) {
    const patterns = rules.timeFormat;
    const parsed = `try_strptime(${text}, [${patterns.map(quoteLiteral).join(', ')}])`;
    // With %Y, strptime reads "20" as the year 20.
    const year = patterns.some((pattern) => pattern.includes('%Y'));
    const dated = year ? `CASE WHEN year(${parsed}) >= 1000 THEN ${parsed} END` : parsed;
    const exact = patterns.some((pattern) => pattern.includes('%n')) ? `epoch_ns(${dated})` : `epoch_us(${dated})`;
    return { ...dateExpression(dated, exact, asText(expression, type), rules), fine: undefined };
  }
  if (isText(type) && scale === undefined && first !== undefined && /^\d{4}[-/]/.test(first)) {
    const stamp = isoTimestamp(text, 'TIMESTAMPTZ');
    const nanoseconds = `CAST(epoch_ns(${isoTimestamp(text, 'TIMESTAMP_NS')}) AS HUGEINT)`;
    const exact = `coalesce(${nanoseconds}, CAST(epoch_us(${stamp}) AS HUGEINT) * 1000)`;
    // The seconds have more than six decimals, or six and an offset.
    const fine = `(strpos(${text}, '.') > 0 AND len(${text}) - strpos(${text}, '.') > 7)`;
    return { ...dateExpression(stamp, exact, asText(expression, type), rules), fine };
  }
  if (scale === TIME_UNITS['ms'] && isText(type) && first?.startsWith('/Date(') === true) {
    const inside = `regexp_replace(${text}, ${quoteLiteral(NET_DATE)}, '\\1')`;
    return timeExpression(inside, type, field, rules, undefined);
  }
  const number = numberExpression(expression, type, field, rules);
  const quick = quickNumber(expression, type, rules, {});
  const exact = `TRY_CAST(${isText(type) ? text : expression} AS DECIMAL(38, 9))`;
  return {
    number: scale === undefined || scale === 1 ? number : `${number} / ${scale}`,
    exact,
    fine: undefined,
    limit: EXACT_LIMIT / (scale ?? 1),
    quick: quick === undefined || scale === undefined || scale === 1 ? quick : `${quick} / ${scale}`,
  };
}

function dateExpression(parsed: string, exact: string, text: string, rules: ValueRules): Omit<TimeExpression, 'fine'> {
  const seconds = `CAST(epoch(${parsed}) AS DOUBLE)`;
  return {
    quick: seconds,
    limit: Infinity,
    number: `coalesce(${seconds}, CASE WHEN ${isMissing(text, rules)} THEN NULL ELSE ${BAD} END)`,
    exact,
  };
}

/**
 * Makes doubles strictly increasing in the exact times that they stand for: `rank[i]` is the place of entry i among the distinct
 * exact times, from 0. A double is moved up by the fewest units in its last place. Returns how many distinct times were moved.
 */
export function keepOrder(time: Float64Array, rank: Int32Array): number {
  const distinct = new Float64Array(rank.reduce((a, b) => Math.max(a, b), -1) + 1);
  for (let i = 0; i < time.length; i++) distinct[rank[i]] = time[i]!;
  let moved = 0;
  for (let r = 1; r < distinct.length; r++) {
    if (distinct[r] > distinct[r - 1]) continue;
    distinct[r] = nextUp(distinct[r - 1]);
    moved++;
  }
  if (moved > 0) for (let i = 0; i < time.length; i++) time[i] = distinct[rank[i]]!;
  return moved;
}

const view = new DataView(new ArrayBuffer(8));

function nextUp(value: number): number {
  view.setFloat64(0, value === 0 ? 0 : value);
  view.setBigInt64(0, view.getBigInt64(0) + (value < 0 ? -1n : 1n));
  return view.getFloat64(0);
}

const DATES = [
  '%d/%m/%Y',
  '%m/%d/%Y',
  '%d.%m.%Y',
  '%m.%d.%Y',
  '%d-%m-%Y',
  '%m-%d-%Y',
  '%Y-%m-%d',
  '%Y/%m/%d',
  '%Y.%m.%d',
  '%Y%m%d',
  '%d/%m/%y',
  '%m/%d/%y',
  '%d.%m.%y',
  '%d-%m-%y',
  '%m-%d-%y',
  '%y-%m-%d',
  '%d %b %Y',
  '%d %B %Y',
  '%d-%b-%Y',
  '%d-%B-%Y',
  '%d-%b-%y',
  '%d/%b/%Y',
  '%b %d, %Y',
  '%B %d, %Y',
  '%b %d %Y',
  '%B %d %Y',
  '%m %d, %Y',
  '%a, %d %b %Y',
  '%A, %d %B %Y',
  '%a %b %d %Y',
  '%d. %B %Y',
];
const CLOCKS = [
  '',
  ' %H:%M',
  ' %H:%M:%S',
  ' %H:%M:%S.%f',
  ' %I:%M %p',
  ' %I:%M:%S %p',
  ' %I:%M%p',
  'T%H:%M:%S',
  'T%H:%M:%S.%f',
  ', %H:%M',
  ', %H:%M:%S',
  ', %I:%M %p',
  ', %I:%M:%S %p',
  ':%H:%M:%S',
  '%H%M%S',
  'T%H%M%S',
  ' %H%M%S',
  '_%H%M%S',
  'T%H:%M',
];
/** Endings for the time zone; GMT and UTC need no offset, because a time without one is UTC. */
const ZONES = ['', ' %z', '%z', ' GMT', ' UTC'];
const WHOLE = [
  '%a %b %d %H:%M:%S %z %Y',
  '%a %b %d %H:%M:%S UTC %Y',
  '%a %b %d %H:%M:%S GMT %Y',
  '%a %b %d %H:%M:%S %Y',
  '%H:%M:%S %d/%m/%Y',
  '%H:%M %d/%m/%Y',
  '%Y-%m-%dT%H',
  '%Y-%m-%d %H',
  '%Y-%m-%dT%H:%M:%SZ[UTC]',
  '%Y-%m-%dT%H:%M:%S.%fZ[UTC]',
  '%Y年%m月%d日',
  '%Y年%m月%d日 %H:%M:%S',
  '%G-W%V-%u',
  '%Y-%m',
  '%Y/%m',
  '%m/%Y',
  '%m.%Y',
  '%b %Y',
  '%B %Y',
];

const ALL = [...DATES.flatMap((date) => CLOCKS.flatMap((clock) => ZONES.map((zone) => date + clock + zone))), ...WHOLE];

const isDate = (pattern: string): string =>
  `coalesce(year(try_strptime(value, ${quoteLiteral(pattern)})) >= 1000, false)`;

const AT_ONCE = 200;
/** The patterns that fit all texts of a table, which has at least one text. */
async function fits(session: DuckSession, patterns: readonly string[], from: string, field: string): Promise<string[]> {
  const found: string[] = [];
  // DuckDB's planning time grows faster than the number of expressions in a query, so the patterns are tested in batches.
  for (let start = 0; start < patterns.length; start += AT_ONCE) {
    const some = patterns.slice(start, start + AT_ONCE);
    const row = await session.row(
      `SELECT ${some.map((each) => `bool_and(${isDate(each)})`).join(', ')} FROM ${from}`,
      field,
    );
    found.push(...some.filter((_, k) => row[k] === true));
  }
  return found;
}

/** The patterns of a few that fit all texts of the table `time_texts`, tested on 1,000 texts first. */
async function fittingPatterns(session: DuckSession, few: readonly string[], field: string): Promise<string[]> {
  return fits(session, await fits(session, few, '(FROM time_texts LIMIT 1000)', field), 'time_texts', field);
}

/** If more distinct texts than this are not times, the pattern is considered wrong and the texts are not named. */
const MOST_NON_TIMES = 20;

/**
 * The options to write if all but a few texts are times: their pattern, and the few texts as missing values. Undefined if too many
 * texts are not times.
 */
async function nonTimesAdvice(
  session: DuckSession,
  few: readonly string[],
  rules: ValueRules,
  table: string,
  field: string,
): Promise<string | undefined> {
  const given = rules.timeFormat?.filter((pattern) => pattern.includes('%')) ?? [];
  const iso = `(${isoTimestamp('value', 'TIMESTAMPTZ')} IS NOT NULL)`;
  const number = 'isfinite(TRY_CAST(value AS DOUBLE))';
  const best = async (): Promise<[string, object][]> => {
    const [pattern = (await fits(session, ALL, '(FROM time_texts LIMIT 1 OFFSET 1)', field))[0]] = few;
    return pattern === undefined ? [] : [[isDate(pattern), { timeFormat: pattern }]];
  };
  const ways: [string, object][] =
    given.length > 0
      ? [[given.map(isDate).join(' OR '), {}]]
      : rules.timeFormat === undefined
        ? [[iso, {}], [number, {}], ...(await best())]
        : [[number, {}]];
  for (const [test, options] of ways) {
    const [good, bad] = await session.row(
      `SELECT count(*) FILTER (${test})::DOUBLE, count(*) FILTER (NOT coalesce(${test}, false))::DOUBLE FROM time_texts`,
      field,
    );
    if (Number(good) === 0 || Number(bad) > Number(good) || Number(bad) > MOST_NON_TIMES) continue;
    const [texts = []] = await session.columns(
      `SELECT value FROM time_texts WHERE NOT coalesce(${test}, false) ORDER BY value`,
      field,
    );
    const lines = advice(table, { ...options, nulls: [...rules.nulls, ...texts.map(String)] });
    return `${texts.slice(0, 3).map(show).join(', ')}${texts.length > 3 ? ' …' : ''} ${texts.length === 1 ? 'is no time' : 'are no times'}; if the time is missing there, ${lines} and ${advice('the data', { missingTime: 'drop' })}`;
  }
  return undefined;
}

/**
 * What is expected of a column in which some texts are not times, with the options to write if a pattern fits all or most of them.
 * @param select SQL that selects the distinct texts as `value`
 */
export async function timeAdvice(
  session: DuckSession,
  select: string,
  rules: ValueRules,
  table: string,
  field: string,
): Promise<string> {
  await session.run(`CREATE OR REPLACE TEMP TABLE time_texts AS ${select}`, field);
  const what =
    rules.timeFormat === undefined
      ? 'a number or an ISO 8601 time'
      : `a time as timeFormat says: ${rules.timeFormat.join(' or ')}`;
  const [isNet] = await session.row(
    `SELECT bool_and(regexp_matches(value, ${quoteLiteral(NET_DATE)})) FROM time_texts`,
    field,
  );
  if (isNet === true) return `${what}; ${advice(table, { timeFormat: 'ms' })}`;
  const few = await fits(session, ALL, '(FROM time_texts LIMIT 1)', field);
  const patterns = await fittingPatterns(session, few, field);
  const lines = patterns.map((pattern) => advice(table, { timeFormat: pattern }));
  if (lines.length === 1) return `${what}; ${lines[0]}`;
  if (lines.length > 1)
    return `${what}; the column does not tell the order of day and month (%d is the day, %m the month): ${lines.join(', or ')}`;
  const nonTimes = await nonTimesAdvice(session, few, rules, table, field);
  if (nonTimes !== undefined) return `${what}; ${nonTimes}`;
  const texts = await session.columns(`SELECT value FROM time_texts LIMIT 3`, field);
  return `${what}, or patterns of strptime in timeFormat (%d day, %m month, %Y year, %H:%M:%S); the column has ${texts.flat().map(show).join(', ')}`;
}
