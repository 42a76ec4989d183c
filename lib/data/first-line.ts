/** Recognises first lines of other formats than text tables, and of files that hold no data, and says what to write. */
import { InnerloopError } from '../foundation/errors.js';
import { advice } from './table-source.js';
import type { TextSource, Wanted } from './text-table.js';

/** The name of the format's column for each mapped option, such as `user`; empty if the mapped names are right already. */
type Columns = Readonly<Record<string, string>>;

interface Form {
  is: (line: string) => boolean;
  /** The beginning of what the error says is expected. */
  what: string;
  /**
   * The options to write for this format.
   * @param mapped the option that each mapped column name belongs to, such as `user` for the name `userId`
   */
  lines: (line: string, mapped: ReadonlyMap<string, string>) => Record<string, unknown>;
}

/** A label, then pairs `index:value`; queries of rankings stand before them as `qid:1`. */
const SPARSE = /^[-+]?[\d.]+(?:[ \t]+(?:qid|\d+):[^\s:]+)+\s*(?:#.*)?$/;
const FIELDS = /^[-+]?[\d.]+(?:[ \t]+\w+:\w+:[^\s:]+)+\s*$/;
const IMPRESSIONS = /^[^\t]*\t[^\t]*\t[^\t]*\t[^\t]*\t\S+-[01](?: \S+-[01])*\s*$/;
const RULE = /^\+[-=]+(?:\+[-=]+)*\+\s*$/;

const FORMS: readonly Form[] = [
  {
    is: (line) => SPARSE.test(line),
    what: 'a header; if each line is a label and pairs of an index and a value',
    lines: (line, mapped) => ({
      format: 'libsvm',
      ...remapped(
        mapped,
        line.includes('qid:')
          ? { user: 'qid', item: 'index1', label: 'label' }
          : { user: 'index1', item: 'index2', label: 'label' },
        /^(label|qid|(index|value)\d+)$/,
      ),
    }),
  },
  {
    is: (line) => FIELDS.test(line),
    what: 'a header; if each line is a label and triples of a field, an index and a value',
    lines(line, mapped) {
      const [user, item = user] = Array.from(line.matchAll(/\s(\w+):/g), (match) => match[1]);
      return { format: 'libffm', ...remapped(mapped, { user, item, label: 'label' }, /^(label|\d+(:value)?)$/) };
    },
  },
  {
    is: (line) => IMPRESSIONS.test(line),
    what: "a header; if each line is an impression, as in MIND's behaviors.tsv",
    lines: (_, mapped) => ({
      format: 'impressions',
      ...remapped(
        mapped,
        { user: 'user', item: 'item', label: 'clicked', time: 'time' },
        /^(impression|user|time|history|item|clicked)$/,
      ),
    }),
  },
  {
    is: (line) => /^[^:,;|\t]+:$/.test(line),
    what: 'a header; if each line `id:` stands before the rows of that item',
    lines: () => ({
      format: 'blocks',
      columns: ['user', 'rating', 'time'],
      user: 'user',
      item: 'block',
      label: 'rating',
      time: 'time',
    }),
  },
  {
    is: (line) =>
      /^[^\s:]+:?( [^\s:]+)+$/.test(line) && line.split(' ').every((part) => /^\d+$/.test(part.replace(/:$/, ''))),
    what: 'a header; if each line is a user and the items after it',
    lines: () => HISTORIES,
  },
  {
    is: (line) => /^@relation\b/i.test(line),
    what: "a table; if this is Weka's ARFF, in which other lines begin with @",
    lines: (_, mapped) => ({ comment: '@', delimiter: ',', header: false, columns: [...mapped.keys()] }),
  },
  {
    is: (line) => RULE.test(line),
    what: 'the names of the columns in the first line; if the table is drawn with + and |',
    lines: () => ({ comment: '+', delimiter: '|' }),
  },
];

/** What to write if the first line belongs to a format of `FORMS`, or is a comment; undefined if it does not. */
export function otherFormat(line: string, field: string, { columns }: Wanted): string | undefined {
  const mapped = new Map(columns.map(({ name, field: option }) => [name, option.slice(field.length + 1)]));
  const form = FORMS.find(({ is }) => is(line));
  if (form !== undefined) {
    const names = /^@/.test(line) || line.endsWith(':') ? ' with a name for each field of a row' : '';
    return `${form.what}, ${advice(field, form.lines(line, mapped))}${names}`;
  }
  const mark = /^\s*(#|%|\/\/|--)/.exec(line)?.[1];
  return mark === undefined
    ? undefined
    : `the names of the columns in the first line; if such lines are comments, ${advice(field, { comment: mark })}`;
}

/** The mapped options with the column names of the format; empty if every mapped name is one of the format's already. */
function remapped(mapped: ReadonlyMap<string, string>, columns: Columns, own: RegExp): Columns {
  if ([...mapped.keys()].every((name) => own.test(name))) return {};
  const options = new Set(mapped.values());
  return Object.fromEntries(Object.entries(columns).filter(([option]) => options.has(option)));
}

const HISTORIES = { format: 'histories', user: 'user', item: 'item' } as const;

/** The options to write for files with a user and their items on each line. */
export const historyAdvice = (field: string): string => advice(field, HISTORIES);

/** @throws {InnerloopError} INVALID_DATA for a web page, an SQL dump, or text that is not UTF-8 */
export function checkText(line: string, { label, field, options }: TextSource): void {
  const fail = (what: string, expected: string) =>
    new InnerloopError('INVALID_DATA', `${label} ${what}`, { field: `${field}.from`, value: line, expected });
  if (/^\s*<(!doctype|html|\?xml|head|body|table)\b/i.test(line))
    throw fail(
      'is a web page or XML, not a table',
      'the file itself: a download may need a sign-in, or the address of the raw file',
    );
  if (
    /^\s*(insert\s+into|create\s+table|-- (my|postgre|maria|phpmyadmin).*dump|pragma\s+\w+|copy\s+\S+ .*from stdin)/i.test(
      line,
    )
  )
    throw fail(
      'is a dump of a database in SQL, not a table',
      'the table in a file, from the database that the dump is of: `sqlite3 -csv -header`, or `\\copy … TO … CSV HEADER` in psql',
    );
  if (/\.ya?ml$/i.test(label) && options.format === undefined)
    throw fail(
      'is YAML, which is not read',
      'the same as JSON: `python3 -c "import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout, default=str)" < data.yaml > data.json`',
    );
  if (line.includes('\0') && options.encoding === undefined)
    throw fail(
      'has zero bytes in its first line: UTF-16, or no text at all',
      `text; for UTF-16 ${advice(field, { encoding: line.startsWith('\0') ? 'utf-16be' : 'utf-16le' })}`,
    );
}
