/** Makes the SQL that turns texts into numbers and missing values, by the same rules for ids, labels, times and features. */
import { InnerloopError } from '../foundation/errors.js';
import { quoteLiteral } from './duckdb.js';
import { DEFAULT_NULLS } from './table-source.js';
import type { ValueOptions } from './table-source.js';

/** {@link ValueOptions} with their defaults filled in. */
export interface ValueRules {
  nulls: readonly string[];
  decimal: '.' | ',';
  timeFormat: readonly string[] | undefined;
}

export function valueRules({ nulls, decimal, timeFormat }: ValueOptions): ValueRules {
  return {
    nulls: nulls ?? DEFAULT_NULLS,
    decimal: decimal ?? '.',
    timeFormat: timeFormat === undefined ? undefined : [timeFormat].flat(),
  };
}

/** The characters that are trimmed around ids, numbers and times: those of String.trim, and the zero-width space. */
const BLANKS =
  ' \t\n\v\f\r\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u200b\u2028\u2029\u202f\u205f\u3000\ufeff';

const AROUND = new RegExp(`^[${BLANKS}]+|[${BLANKS}]+$`, 'g');
/** Trims a text in memory. */
export const trimText = (text: string): string => text.replace(AROUND, '');

/** Trims a text in SQL. */
export const trimmed = (text: string): string => `trim(${text}, ${quoteLiteral(BLANKS)})`;

/** The SQL condition that a text is missing. `text` is an expression of type VARCHAR. */
export function isMissing(text: string, { nulls }: Pick<ValueRules, 'nulls'>): string {
  return `(${text} IS NULL OR ${trimmed(text)} IN (${['', ...nulls].map(quoteLiteral).join(', ')}))`;
}

/** The trimmed text in SQL; null where it is missing. */
export function presentText(text: string, rules: ValueRules): string {
  return `CASE WHEN ${isMissing(text, rules)} THEN NULL ELSE ${trimmed(text)} END`;
}

const INTEGER = /^U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)$/;
const NUMERIC = /^(BOOLEAN|FLOAT|DOUBLE|DECIMAL.*)$/;
const LIST = /\[\d*\]$/;

export const isList = (type: string): boolean => LIST.test(type);
export const isInteger = (type: string): boolean => INTEGER.test(type);
export const isNumeric = (type: string): boolean => isInteger(type) || NUMERIC.test(type);
export const isText = (type: string): boolean => type === 'VARCHAR' || type === 'JSON' || type.startsWith('ENUM');
export const isNull = (type: string): boolean => type.replaceAll('"', '') === 'NULL';

/** Converts an expression of any type to VARCHAR. */
export function asText(expression: string, type: string): string {
  return type === 'JSON' ? `json_extract_string(${expression}, '$')` : `CAST(${expression} AS VARCHAR)`;
}

/** The text of a category or id; null where the value is missing. */
export function textExpression(expression: string, type: string, rules: ValueRules): string {
  return isInteger(type) ? asText(expression, type) : presentText(asText(expression, type), rules);
}

/** Marks text where a number is needed. No column may hold infinity, so it is never a value; a missing value is null. */
export const BAD = "'infinity'::DOUBLE";

/** How the texts of a column of numbers are written; see `LabelSource`. */
export interface NumberForm {
  values?: Readonly<Record<string, number>>;
  unit?: string | readonly string[];
  decimal?: '.' | ',';
  thousands?: string;
}

/** Converts an expression of `type` to DOUBLE; null where the value is missing, infinite where it is not a number. */
export function numberExpression(
  expression: string,
  type: string,
  field: string,
  rules: ValueRules,
  form: NumberForm = {},
): string {
  if (isNull(type)) return 'NULL::DOUBLE';
  // Some programs write NaN for a missing number, so numbers are compared with the markers of missing values too.
  if (isNumeric(type) && form.values === undefined) return present(`CAST(${expression} AS DOUBLE)`, rules);
  if (!isText(type) && !isNumeric(type))
    throw new InnerloopError('INVALID_DATA', `a column of type ${type}`, { field, expected: 'a number' });
  const text = asText(expression, type);
  const { decimal = rules.decimal, unit, thousands, values } = form;
  // The typographic minus sign U+2212 is read as a hyphen-minus.
  const signed = `replace(${trimmed(text)}, '−', '-')`;
  const bare = unit === undefined ? signed : withoutUnit(signed, [unit].flat());
  const written = digits(bare, decimal, thousands);
  // DuckDB reads 1_000 as a number, so texts with an underscore are kept from it.
  const plain =
    thousands === '_'
      ? `TRY_CAST(${written} AS DOUBLE)`
      : `TRY_CAST(CASE WHEN contains(${bare}, '_') THEN NULL ELSE ${written} END AS DOUBLE)`;
  const number = present(plain, rules);
  const known = `CASE WHEN ${isMissing(text, rules)} THEN NULL WHEN ${plain} IS NULL THEN ${BAD} END`;
  if (values === undefined) return `coalesce(${number}, ${known})`;
  const mapped = Object.entries(values).map(
    ([name, value]) => `WHEN ${quoteLiteral(name.trim().toLowerCase())} THEN ${value}::DOUBLE`,
  );
  return mapped.length === 0
    ? `coalesce(${number}, ${known})`
    : `CASE lower(${trimmed(text)}) ${mapped.join(' ')} ELSE coalesce(${number}, ${known}) END`;
}

/**
 * A form of {@link numberExpression} at a third of the cost, for columns without missing or bad values: where it gives null or NaN,
 * the full form is needed to tell the two apart. Undefined if the full form is needed anyway.
 */
export function quickNumber(expression: string, type: string, rules: ValueRules, form: NumberForm): string | undefined {
  const isPlain = form.values === undefined && form.unit === undefined && form.thousands === undefined;
  // The marker NaN is left out: the caller treats NaN like null and then uses the full form.
  const marked = (number: string) =>
    present(number, { ...rules, nulls: rules.nulls.filter((text) => !/nan/i.test(text)) });
  if (isPlain && isNumeric(type)) return marked(`CAST(${expression} AS DOUBLE)`);
  if (type !== 'VARCHAR' || !isPlain || (form.decimal ?? rules.decimal) !== '.') return undefined;
  return marked(`TRY_CAST(CASE WHEN contains(${expression}, '_') THEN NULL ELSE ${expression} END AS DOUBLE)`);
}

/** The number, or null if it equals a marker of missing values: NaN, an infinity, or a number in whatever spelling. */
function present(number: string, { nulls }: ValueRules): string {
  const markers = new Set(
    nulls.map((text) => (text.trim() === '' ? Number.NaN : Number(text))).filter(Number.isFinite),
  );
  const named = [...markers].reduce((sql, marker) => `nullif(${sql}, ${marker}::DOUBLE)`, number);
  const others = [
    ['nan', /^-?nan$/i],
    ['infinity', /^\+?inf(inity)?$/i],
    ['-infinity', /^-inf(inity)?$/i],
  ] as const;
  return others
    .filter(([, form]) => nulls.some((text) => form.test(text.trim())))
    .reduce((sql, [value]) => `nullif(${sql}, '${value}'::DOUBLE)`, named);
}

/** The text without the first of the units that it begins or ends with, longer units first. */
function withoutUnit(text: string, units: readonly string[]): string {
  const cases = [...units]
    .map((unit) => unit.trim())
    .sort((a, b) => b.length - a.length)
    .map((unit) => {
      const literal = quoteLiteral(unit.toLowerCase());
      const lower = `lower(${text})`;
      return `WHEN ends_with(${lower}, ${literal}) THEN ${trimmed(`left(${text}, -length(${literal}))`)} WHEN starts_with(${lower}, ${literal}) THEN ${trimmed(`substr(${text}, length(${literal}) + 1)`)}`;
    });
  return `CASE ${cases.join(' ')} ELSE ${text} END`;
}

/** The text as DuckDB reads a number; null if a decimal mark or group separator is in a wrong place. */
function digits(text: string, decimal: '.' | ',', thousands: string | undefined): string {
  if (decimal === '.' && thousands === undefined) return text;
  const escaped = (mark: string) => mark.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const group = thousands === undefined ? '' : `(\\d{1,3}(${escaped(thousands)}\\d{3})+)|`;
  const pattern = `[-+]?(${group}\\d+|)(${escaped(decimal)}\\d*)?([eE][-+]?\\d+)?`;
  const joined = thousands === undefined ? text : `replace(${text}, ${quoteLiteral(thousands)}, '')`;
  const pointed = decimal === '.' ? joined : `replace(${joined}, ',', '.')`;
  return `CASE WHEN regexp_full_match(${trimmed(text)}, ${quoteLiteral(pattern)}) THEN ${pointed} END`;
}
