/** Which column of a table is what: from names, then from the values of the whole file. */
import { readFileSync } from 'node:fs';
import { basename, extname } from 'node:path';
import type { TableSource } from '../data/index.js';
import type { PeekedColumn, PeekedTable } from '../data/peek.js';

/** What the options of a text table have to say that its first line shows. */
export function sourceOf(path: string): TableSource & { from: string } {
  const name = basename(path);
  const extension = extname(name.replace(/\.gz$/, '')).toLowerCase();
  if (!['.csv', '.tsv', '.txt', '.dat', '.data', '.item', '.user'].includes(extension) || path.endsWith('.gz'))
    return { from: path };
  const line = firstLine(path);
  // RecBole's files name the type of each column.
  if (/^[^\t:]+:(token|float|token_seq|float_seq)(\t|$)/.test(line)) return { from: path };
  const delimiter = ['::', '\t', ';', ',', '|'].reduce((best, each) =>
    line.split(each).length > line.split(best).length ? each : best,
  );
  const usual = extension === '.tsv' ? '\t' : ',';
  const fields = line.split(delimiter);
  // A header is no list of numbers, and names come once.
  const hasHeader =
    !fields.some((field) => /^"?-?\d+(\.\d+)?"?$/.test(field.trim())) && new Set(fields).size === fields.length;
  return {
    from: path,
    ...((delimiter !== usual || !['.csv', '.tsv'].includes(extension)) && { delimiter, format: 'csv' as const }),
    ...(!hasHeader && { header: false, columns: namesFor(name, fields.length) }),
  };
}

function firstLine(path: string): string {
  const bytes = readFileSync(path);
  const end = bytes.indexOf(10);
  return bytes
    .subarray(0, end < 0 ? bytes.length : end)
    .toString('latin1')
    .replace(/\r$/, '')
    .replace(/^ï»¿/, '');
}

/** Guesses the columns of files without a header: those of MovieLens by their names, others by position. */
function namesFor(name: string, count: number): string[] {
  const usual = /movie|item/i.test(name)
    ? ['item', 'title', 'genres']
    : /user/i.test(name)
      ? ['user', 'gender', 'age', 'occupation', 'zip']
      : ['user', 'item', 'rating', 'time'];
  return Array.from({ length: count }, (_, i) => usual[i] ?? `column${i + 1}`);
}

export const ROLES = ['user', 'item', 'label', 'time'] as const;
export type Role = (typeof ROLES)[number];

const NAMES: Record<Role, RegExp> = {
  user: /user|customer|member|reviewer|visitor|client|account|person|reader|listener|^uid|^u$|^who$/i,
  item: /item|movie|film|book|product|article|track|song|artist|album|sku|asin|isbn|business|news|game|recipe|anime|^iid|^i$|^what$/i,
  label: /rating|score|stars?$|^label|^rate$|click|liked?|^value|^r$|^y$|grade/i,
  time: /time|date|^at$|when|created|bought|^ts$|^t$|position/i,
};

export interface Guess {
  column: string | undefined;
  /** Why, for the note beside it; `sure` where its name says it. */
  why: string;
  sure: boolean;
}

/** Every role's column; a user and an item are always found in a table of two columns or more. */
export function guessRoles({ rows, columns }: PeekedTable): Record<Role, Guess> {
  const taken = new Set<string>();
  const roles = {} as Record<Role, Guess>;
  const free = () => columns.filter(({ name }) => !taken.has(name));
  for (const role of ROLES) {
    const matching = free().filter(({ name }) => NAMES[role].test(plain(name)));
    const fitting = matching.filter((column) => fits(role, column));
    // Ratings such as 4,5 or dates such as 11.02.2012 are not left out: reading them says what to write.
    const named = fitting.length > 0 ? fitting : matching;
    // Ids before other columns of the same kind of name: movieId before movieTitle.
    const found = named.find(({ name }) => /id$/i.test(plain(name))) ?? named[0];
    if (found !== undefined) {
      taken.add(found.name);
      roles[role] = {
        column: found.name,
        why: 'by its name',
        sure: named.length === 1 || /id$/i.test(plain(found.name)),
      };
    }
  }
  for (const role of ROLES) {
    if (roles[role] !== undefined) continue;
    const found = free().find((column) => byValues(role, column, rows));
    if (found !== undefined) taken.add(found.name);
    roles[role] = {
      column: found?.name,
      why: found === undefined ? 'none found' : 'by its values',
      sure: found === undefined,
    };
  }
  return roles;
}

/** RecBole's names carry a type. */
const plain = (name: string) => name.replace(/:(token|float|token_seq|float_seq)$/, '');

function fits(role: Role, column: PeekedColumn): boolean {
  if (role === 'label') return column.isNumber;
  return role !== 'time' || column.isNumber || column.isTime;
}

function byValues(role: Role, column: PeekedColumn, rows: number): boolean {
  const { distinct, isNumber, isInteger, isTime, min, max } = column;
  if (role === 'time') return isTime || (isInteger && min !== null && min > 1e8);
  if (role === 'label') return isNumber && distinct <= 101 && distinct < rows / 2 && min! >= -100 && max! <= 100;
  return !isTime && distinct > 1 && (role === 'item' || distinct < rows);
}

/** A column of users or items as a feature, or why it is none. */
export function guessFeature(
  column: PeekedColumn,
  rows: number,
): { kind?: 'bag' | 'dense' | 'categorical'; why: string } {
  const { name, distinct, present, piped, isNumber } = column;
  if (distinct < 2) return { why: 'one value only' };
  if (piped > present / 20) return { kind: 'bag', why: 'lists, separated by |' };
  if (/title|^name$/i.test(plain(name))) return { kind: 'categorical', why: 'shown by recommend' };
  if (distinct <= Math.max(2, Math.min(1000, rows / 3))) return { kind: 'categorical', why: `${distinct} values` };
  if (isNumber && !/id$/i.test(plain(name))) return { kind: 'dense', why: 'numbers' };
  return { why: `${distinct} different values` };
}
