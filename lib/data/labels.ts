/** Labels that are texts: true and false become 1 and 0; for any other text an error says which options to write. */
import { InnerloopError } from '../foundation/errors.js';
import type { DuckSession } from './duckdb.js';
import type { CopiedTable } from './copied.js';
import { at } from './relation.js';
import type { ResolvedColumn } from './relation.js';
import type { LabelSource } from './source.js';
import { advice, DEFAULT_NULLS } from './table-source.js';
import { asText, trimmed } from './values.js';
import type { NumberForm } from './values.js';

const YES = [
  'yes',
  'y',
  'true',
  't',
  '👍',
  'like',
  'liked',
  'likes',
  'thumbs up',
  'up',
  'positive',
  'good',
  'recommended',
  'buy',
  'click',
  'ja',
  'oui',
  'si',
  'sí',
];
const NO = [
  'no',
  'n',
  'false',
  'f',
  '👎',
  'dislike',
  'disliked',
  'dislikes',
  'thumbs down',
  'down',
  'negative',
  'bad',
  'not recommended',
  'skip',
  'nein',
  'non',
];
const NUMBER = String.raw`[-+]?(?:\d+(?:[.,]\d+)?|[.,]\d+)`;

/**
 * The form in which a copied table's labels must be read again: undefined if all are numbers, else the form of true and false.
 * @throws {InnerloopError} INVALID_DATA with the first row whose label is not a finite number, and the options to write
 */
export async function labelForm(
  session: DuckSession,
  table: CopiedTable,
  { sql, type }: ResolvedColumn,
  label: LabelSource,
  field: string,
): Promise<NumberForm | undefined> {
  const where = `${field}.label`;
  const [row, bad, all] = await session.row(
    `SELECT min(rowid) FILTER (isinf(label))::DOUBLE, count(*) FILTER (isinf(label))::DOUBLE, count(label)::DOUBLE FROM ${table.name}`,
    where,
  );
  if (typeof row !== 'number') return undefined;
  const text = trimmed(asText(sql, type));
  // Row n of the copy is row n of the source, so the source's texts are found by row number.
  const numbered = `(SELECT ${text} AS value, row_number() OVER () - 1 AS place FROM ${table.relation.sql})`;
  const [texts = [], counts = []] = await session.columns(
    `SELECT value, count(*)::DOUBLE FROM ${numbered} s JOIN ${table.name} t ON t.rowid = s.place WHERE isinf(t.label) GROUP BY value ORDER BY count(*) DESC, value LIMIT 1001`,
    where,
  );
  const values = texts.map(String);
  const isWhole = bad === all;
  const lower = values.map((value) => value.toLowerCase());
  if (isWhole && label.values === undefined && lower.every((value) => value === 'true' || value === 'false')) {
    session.notes.push(`${where}: true and false were read as 1 and 0`);
    return { ...label, values: { true: 1, false: 0 } };
  }
  const [original] = await session.row(`SELECT value FROM ${numbered} WHERE place = ${row}`, where);
  const isNumber = lower.every((value) => /^[-+]?(inf|infinity|nan|[\d.]+e\+?\d+)$/.test(value));
  throw new InnerloopError(
    'INVALID_DATA',
    `${isNumber ? 'a number that is not finite' : 'text where a number belongs'} in column ${JSON.stringify(label.column)}, ${at(table.relation, row)}`,
    {
      field: where,
      value: original,
      expected: `a finite number; ${isNumber ? asMissing(values, counts.map(Number), field) : suggest(values, counts.map(Number), isWhole, label, field)}`,
    },
  );
}

function suggest(
  values: readonly string[],
  counts: readonly number[],
  isWhole: boolean,
  label: LabelSource,
  field: string,
): string {
  const write = (form: NumberForm): string => advice(field, { label: { ...label, ...form } });
  const all = (pattern: string): boolean => values.every((value) => new RegExp(pattern, 'i').test(value));
  if (all(String.raw`^[-+]?\d{1,3}(,\d{3})+(\.\d+)?$`) && !all(String.raw`^[-+]?\d{1,3},\d{3}$`))
    return write({ thousands: ',' });
  if (all(String.raw`^[-+]?\d{1,3}(\.\d{3})+(,\d+)?$`)) return write({ thousands: '.', decimal: ',' });
  if (all(String.raw`^[-+]?\d{1,3},\d{3}$`))
    return `${write({ decimal: ',' })} if the comma is a decimal mark, or ${write({ thousands: ',' })} if it separates thousands`;
  if (all(String.raw`^[-+]?\d*,\d+$`)) return write({ decimal: ',' });
  if (all(String.raw`^[-+]?\d{1,3}( \d{3})+([.,]\d+)?$`))
    return write({ thousands: ' ', ...(all(',') ? { decimal: ',' as const } : {}) });
  for (const mark of ['_', "'", '’'])
    if (all(String.raw`^[-+]?\d{1,3}(${mark}\d{3})+(\.\d+)?$`)) return write({ thousands: mark });
  const share = /^[\d.]+ ?(\/ ?\d+| (?:out )?of \d+)$/.exec(values[0])?.[1];
  if (share !== undefined && values.every((value) => /^[\d.]+ ?(?=\/| )/.test(value) && value.endsWith(share)))
    return write({ unit: share.trim() });
  const units = values.map((value) => new RegExp(`^(?:(\\D*?)\\s*${NUMBER}|${NUMBER}\\s*(\\D*))$`).exec(value));
  const names = [...new Set(units.map((unit) => (unit?.[1] ?? unit?.[2] ?? '').trim()).filter((name) => name !== ''))];
  // A unit is made of letters, currency signs or symbols; other marks, as in fractions and dates, belong to the value.
  const isUnit = (name: string): boolean => /^[\p{L}\p{Sc}\p{So}%. ]+$/u.test(name);
  if (units.every((unit) => unit !== null) && names.length > 0 && names.length <= 5 && names.every(isUnit))
    return write({
      unit: names.length === 1 ? names[0] : names,
      ...(values.some((value) => /\d,\d/.test(value)) ? { decimal: ',' as const } : {}),
    });
  const known = values.every((value) => [...YES, ...NO].includes(value.toLowerCase()));
  const shown = values.map(shownNumber);
  const isShown = shown.every((value) => value !== undefined);
  if (values.length <= 12 && (known || isShown || isWhole)) {
    const numbers = isShown ? shown : values.map((value, k) => (known ? Number(YES.includes(value.toLowerCase())) : k));
    const mapped = Object.fromEntries(values.map((value, k) => [value, numbers[k]]));
    return `${write({ values: mapped })}${known || isShown ? '' : ' with a number for each text'}`;
  }
  return asMissing(values, counts, field);
}

/** The number that a text shows in stars or in digits beyond ASCII; undefined if it shows none. */
function shownNumber(value: string): number | undefined {
  const stars = /^([★⭐✭])\ufe0f?(?:\1\ufe0f?)*(½?)[☆✩]*$/u.exec(value);
  if (stars !== null) return (value.match(/[★⭐✭]/gu) ?? []).length + (stars[2] === '' ? 0 : 0.5);
  const plain = Number(value.normalize('NFKC'));
  return value === '' || !Number.isFinite(plain) ? undefined : plain;
}

/** The options to write to leave out rows whose labels are not finite numbers. */
function asMissing(values: readonly string[], counts: readonly number[], field: string): string {
  const rare = values.slice(0, 5);
  const many = counts.length > 1000 ? 'over 1,000 texts' : `${values.length} ${values.length === 1 ? 'text' : 'texts'}`;
  return `${many} ${counts.length === 1 ? 'is not a finite number; if it stands' : 'are not finite numbers; if they stand'} for a missing label, ${advice(field, { nulls: [...DEFAULT_NULLS, ...rare] })} and ${advice('the data', { missingLabel: 'drop' })}`;
}
