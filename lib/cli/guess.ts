/** Which column of a table is what: from names, then from the values of the whole file. */
import { basename, extname } from 'node:path';
import { constants, gunzipSync } from 'node:zlib';
import { compressionOf, decoderOf, firstBytes, markedEncoding } from '../data/files.js';
import type { FileOptions, TableSource, ValueOptions } from '../data/index.js';
import type { PeekedColumn, PeekedTable } from '../data/peek.js';
import { firstRecord, leadingLines, splitRecord } from '../data/text-table.js';

export type FileSource = TableSource & { from: string };

const TABLES = ['.csv', '.tsv', '.txt', '.dat', '.data', '.item', '.user', '.tab', '.psv', '.log', ''];
const DELIMITERS = ['::', '\t', ';', ',', '|', '\x01'];
const NUMBER = /^-?\d+([.,]\d+)?$/;

/** What the options of a text table have to say that its first line shows. @param given what need not be guessed */
export function sourceOf(path: string, given: FileOptions & ValueOptions = {}): FileSource {
  const name = basename(path);
  const extension = extname(name.replace(/\.(gz|zst)$/, '')).toLowerCase();
  const found = { from: path, ...given };
  if (given.format !== undefined && given.format !== 'csv') return found;
  const line = TABLES.includes(extension) ? firstLine(path, given) : undefined;
  // RecBole's files name the type of each column; matrices, JSON and what is no text say what they are.
  if (line === undefined || /^[^\t:]+:(token|float|token_seq|float_seq)(\t|$)/.test(line)) return found;
  if (/^(%%MatrixMarket|\s*[[{]|PAR1|PK\x03\x04|SQLite format 3)/.test(line) || line.includes('\ufffd\ufffd'))
    return found;
  if (/^[^:,;|\t]+:$/.test(line)) return { ...found, format: 'blocks', columns: ['user', 'rating', 'time'] };
  if (/\t(\S+-[01])( \S+-[01])*$/.test(line) && line.split('\t').length === 5)
    return { ...found, format: 'impressions' };
  const split = (each: string) => splitRecord(line, each, given.quote ?? '"', given.escape ?? given.quote ?? '"');
  const delimiter =
    given.delimiter ?? DELIMITERS.reduce((best, each) => (split(each).length > split(best).length ? each : best));
  const usual = extension === '.tsv' ? '\t' : ',';
  const fields = split(delimiter);
  // A header is no list of numbers, and names come once.
  const hasHeader =
    given.header ??
    (given.columns === undefined &&
      !fields.some((field) => NUMBER.test(field)) &&
      new Set(fields).size === fields.length);
  return {
    ...found,
    ...((delimiter !== usual || !['.csv', '.tsv'].includes(extension)) && { delimiter, format: 'csv' as const }),
    ...(!hasHeader && { header: false, columns: given.columns ?? namesFor(name, fields.length) }),
  };
}

/** The same file where its first line turned out to be a row. */
export function withoutHeader(source: FileSource, count: number): FileSource {
  return { ...source, header: false, columns: namesFor(basename(source.from), count) };
}

/** Undefined where the file cannot be looked into here: reading it says what it is. */
function firstLine(path: string, { encoding, quote = '"' }: FileOptions): string | undefined {
  try {
    const compression = compressionOf(path);
    if (compression === 'zstd') return undefined;
    const raw = firstBytes(path, 1 << 18);
    const bytes = compression === 'gzip' ? gunzipSync(raw, { finishFlush: constants.Z_SYNC_FLUSH }) : raw;
    const marked = encoding ?? markedEncoding(bytes);
    // A character may be cut at the end; every byte is one of latin-1.
    const text =
      marked === undefined
        ? bytes.toString('latin1').replace(/^ï»¿/, '')
        : decoderOf({ encoding: marked }, 'files').decode(bytes.subarray(0, bytes.length & ~1), { stream: true });
    const { rest, delimiter } = leadingLines(text);
    return delimiter === undefined ? firstRecord(rest, quote, true) : undefined;
  } catch {
    return undefined;
  }
}

const MOVIELENS_100K: Readonly<Record<string, readonly string[]>> = {
  'u.user': ['user', 'age', 'gender', 'occupation', 'zip'],
  'u.item': ['item', 'title', 'released', 'video', 'address'],
};

/** Of files without a header: those of MovieLens by their names, else by position. */
function namesFor(name: string, count: number): string[] {
  const usual =
    MOVIELENS_100K[name] ??
    (/movie|item/i.test(name)
      ? ['item', 'title', 'genres']
      : /user/i.test(name)
        ? ['user', 'gender', 'age', 'occupation', 'zip']
        : ['user', 'item', 'rating', 'time']);
  return Array.from({ length: count }, (_, i) => usual[i] ?? `column${i + 1}`);
}

export const ROLES = ['user', 'item', 'label', 'count', 'time'] as const;
export type Role = (typeof ROLES)[number];

const NAMES: Record<Role, RegExp> = {
  user: /user|customer|member|reviewer|visitor|client|account|person|reader|listener|^uid|^u$|^who$|^row$|^index1$/i,
  item: /item|movie|film|book|product|article|track|song|artist|album|sku|asin|isbn|business|news|game|recipe|anime|^iid|^i$|^what$|^block$|^column$|^index2$/i,
  label: /rating|score|stars?$|^label|^rate$|click|liked?|^value|^r$|^y$|grade/i,
  count: /^(play_?|purchase_?|listen_?)?counts?$|quantity|^qty$|^plays$|^listens$|^purchases$|frequency/i,
  time: /time|date|^at$|when|created|bought|^ts$|^t$|position/i,
};

export interface Guess {
  column: string | undefined;
  /** Why, for the note beside it; `sure` where its name says it. */
  why: string;
  sure: boolean;
}

/** Every role's column; a user and an item are always found in a table of two columns or more. */
export function guessRoles(
  { rows, columns }: PeekedTable,
  told: Partial<Record<Role, string | null | undefined>> = {},
): Record<Role, Guess> {
  const roles = {} as Record<Role, Guess>;
  for (const role of ROLES)
    if (told[role] !== undefined) roles[role] = { column: told[role] ?? undefined, why: 'as told', sure: true };
  const taken = new Set(ROLES.flatMap((role) => roles[role]?.column ?? []));
  const free = () => columns.filter(({ name }) => !taken.has(name));
  for (const role of ROLES) {
    if (roles[role] !== undefined) continue;
    const matching = free().filter(({ name }) => NAMES[role].test(plain(name)));
    const fitting = matching.filter((column) => fits(role, column));
    // Ratings such as 4,5 or dates such as 11.02.2012 are not left out: reading them says what to write.
    const named = fitting.length > 0 || role === 'count' ? fitting : matching;
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
  if (role === 'count') return column.isNumber && column.min! > 0;
  return role !== 'time' || column.isNumber || column.isTime;
}

function byValues(role: Role, column: PeekedColumn, rows: number): boolean {
  const { distinct, isNumber, isInteger, isTime, min, max } = column;
  if (role === 'count') return false;
  if (role === 'time') return isTime || (isInteger && min !== null && min > 1e8);
  if (role === 'label') return isNumber && distinct <= 101 && distinct < rows / 2 && min! >= -100 && max! <= 100;
  return !isTime && distinct > 1 && (role === 'item' || distinct < rows);
}

export interface GuessedFeature {
  kind?: 'bag' | 'dense' | 'categorical';
  /** Of a bag, where it is not the default one. */
  separator?: string;
  why: string;
}

/** A column of users or items as a feature, or why it is none. */
export function guessFeature(column: PeekedColumn, rows: number): GuessedFeature {
  const { name, distinct, present, separated, bracketed, length, isNumber } = column;
  if (distinct < 2) return { why: 'one value only' };
  if (name.endsWith('_seq')) return { kind: 'bag', why: 'lists, by its name' };
  if (bracketed > 0.9 * present) return { kind: 'bag', why: 'lists in brackets' };
  if (separated['|'] > present / 20) return { kind: 'bag', why: 'lists, separated by |' };
  if (/title|^name$/i.test(plain(name))) return { kind: 'categorical', why: 'shown by recommend' };
  // Sentences have commas too: lists are short, and many of them have more than one entry.
  for (const separator of [';', ','] as const)
    if (separated[separator] > present / 3 && length < 80)
      return { kind: 'bag', separator, why: `lists, separated by ${separator}` };
  if (distinct <= Math.max(2, Math.min(1000, rows / 3))) return { kind: 'categorical', why: `${distinct} values` };
  if (isNumber && !/id$|zip|postal|code$/i.test(plain(name))) return { kind: 'dense', why: 'numbers' };
  return { why: `${distinct} different values` };
}
