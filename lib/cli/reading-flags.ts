/** How files are read, as flags of the commands that take files: the options of `from`, and which column is what. */
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';
import { basename } from 'node:path';
import { FORMATS } from '../data/source-options.js';
import type { FileOptions, ValueOptions } from '../data/index.js';
import { InnerloopError } from '../foundation/errors.js';
import { collect } from './arguments.js';
import { shellWord } from './output.js';

type Reading = FileOptions & ValueOptions;
type Parse = (text: string) => unknown;

const asText: Parse = (text) => text;
/** A tab is hard to type. */
const asDelimiter: Parse = (text) => text.replaceAll('\\t', '\t');
const asList: Parse = (text) => (text.trimStart().startsWith('[') ? asJson(text) : text.split(','));
const asTruth: Parse = (text) => {
  if (text !== 'true' && text !== 'false') throw new InvalidArgumentError('Expected true or false.');
  return text === 'true';
};
const asCount: Parse = (text) => {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('Expected a number of lines.');
  return Number(text);
};
const asTimes: Parse = (text) => (text.trimStart().startsWith('[') ? asJson(text) : text);

function asJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new InvalidArgumentError('Not JSON.');
  }
}

const READING: Record<keyof Reading, { flag: string; value: string; doc: string; parse: Parse }> = {
  format: { flag: 'format', value: 'name', doc: `one of ${FORMATS.join(', ')}`, parse: asText },
  encoding: { flag: 'encoding', value: 'name', doc: 'such as latin-1, gbk, utf-16', parse: asText },
  delimiter: { flag: 'delimiter', value: 'text', doc: String.raw`between fields; \t is a tab`, parse: asDelimiter },
  header: { flag: 'header', value: 'bool', doc: 'whether the first line holds names: true or false', parse: asTruth },
  columns: { flag: 'columns', value: 'names', doc: 'names of the columns, comma-separated', parse: asList },
  quote: { flag: 'quote', value: 'text', doc: "around fields; '' where quotes are text", parse: asText },
  escape: { flag: 'escape', value: 'text', doc: 'what makes a quote inside quotes text', parse: asText },
  comment: { flag: 'comment', value: 'text', doc: 'what lines begin with that are no rows', parse: asText },
  skip: { flag: 'skip', value: 'lines', doc: 'lines at the beginning that are none of the table', parse: asCount },
  nulls: { flag: 'nulls', value: 'texts', doc: 'texts that stand for a missing value, comma-separated', parse: asList },
  decimal: { flag: 'decimal', value: 'mark', doc: 'decimal mark of numbers in text', parse: asText },
  timeFormat: { flag: 'time-format', value: 'pattern', doc: 'such as %d.%m.%Y, or s, ms, us, ns', parse: asTimes },
  path: { flag: 'path', value: 'path', doc: 'list in JSON, file in a zip, table of a database', parse: asText },
  sheet: { flag: 'sheet', value: 'name', doc: 'sheet of a workbook', parse: asText },
};
const ROLE_FLAGS = ['user', 'item', 'label', 'time'] as const;

/** What the flags said, as Commander hands it over. */
export type ReadingFlags = Partial<Record<keyof Reading, string[]>> &
  Partial<Record<(typeof ROLE_FLAGS)[number], string>>;

/** Adds the flags to a command. `--encoding latin-1` is of the first file, `--encoding movies.csv=latin-1` of that one. */
export function addReadingFlags(command: Command): Command {
  for (const role of ROLE_FLAGS)
    command.option(
      `--${role} <column>`,
      role === 'label' ? 'its column, an object as in a configuration, or none' : 'its column, in place of a guess',
    );
  for (const { flag, value, doc } of Object.values(READING))
    command.option(`--${flag} <[file=]${value}>`, `${doc}; of the interactions, or of the file that is named`, collect);
  return command;
}

/** A value that does not parse is an error of its flag: Commander only catches what its own parsers throw. */
function parsed<X>(parse: () => X, flag: string, given: string): X {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    throw new InnerloopError('INVALID_OPTION', error.message, { field: `--${flag}`, value: given });
  }
}

/** The options of one file. */
export function readingOf(file: string, files: readonly string[], flags: ReadingFlags): Reading {
  const options: Record<string, unknown> = {};
  for (const [key, { parse, flag }] of Object.entries(READING)) {
    for (const given of flags[key as keyof Reading] ?? []) {
      const named = files.find((each) => given.startsWith(`${each}=`) || given.startsWith(`${basename(each)}=`));
      if ((named ?? files[0]) !== file) continue;
      const prefix =
        named === undefined ? 0 : given.startsWith(`${named}=`) ? named.length + 1 : basename(named).length + 1;
      options[key] = parsed(() => parse(given.slice(prefix)), flag, given);
    }
  }
  return options;
}

/** A column that was named for a role; null where there is to be none. */
export function roleFlag(role: (typeof ROLE_FLAGS)[number], flags: ReadingFlags): string | object | null | undefined {
  const given = flags[role];
  if (role === 'label' && given === 'none') return null;
  return given?.startsWith('{') === true ? parsed(() => asJson(given) as object, role, given) : given;
}

const ADVICE = /write in (interactions|users|items): `([^`]+)`(?! in place of)/g;

/** What an error or a note advises to write into a configuration, as the flags that say the same. */
export function flagsFor(text: string, fileOf: (table: string) => string | undefined, first: string): string {
  return text
    .replace(/,? and write in the data: `"missing(Label|Id)": "drop"`/g, '')
    .replace(ADVICE, (whole, table: string, lines: string) => {
      const file = fileOf(table);
      if (file === undefined) return whole;
      const options = Object.entries(JSON.parse(`{${lines}}`) as Record<string, unknown>);
      const flags = options.map(([key, value]) => {
        if (!(key in READING))
          return (ROLE_FLAGS as readonly string[]).includes(key) ? `--${key} ${word(value)}` : undefined;
        const { flag } = READING[key as keyof Reading];
        const prefix = file === first ? '' : `${file}=`;
        return `--${flag} ${shellWord(`${prefix}${key === 'timeFormat' && Array.isArray(value) ? JSON.stringify(value) : plain(value)}`)}`;
      });
      return flags.includes(undefined) ? whole : `add \`${flags.join(' ')}\``;
    });
}

const word = (value: unknown): string => shellWord(plain(value));

/** Lists without commas inside and texts as they are typed; everything else as JSON. */
function plain(value: unknown): string {
  if (Array.isArray(value) && value.every((each) => typeof each === 'string' && !each.includes(',')))
    return value.join(',');
  return typeof value === 'string' ? value.replaceAll('\t', '\\t') : JSON.stringify(value);
}

/** The same error with flags in place of lines. */
export function inFlags(error: unknown, fileOf: (table: string) => string | undefined, first: string): unknown {
  if (!(error instanceof InnerloopError) || error.expected === undefined) return error;
  const expected = flagsFor(error.expected, fileOf, first);
  if (expected === error.expected) return error;
  const { code, what, field, value } = error;
  return new InnerloopError(code, what, { field, ...(value !== undefined && { value }), expected, cause: error });
}
