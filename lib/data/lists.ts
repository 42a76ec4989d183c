/** Splits bags that are written as text, in the way that all values of the column bear out. */
import { InnerloopError, show } from '../foundation/errors.js';
import { quoteLiteral } from './duckdb.js';
import type { DuckSession } from './duckdb.js';
import { DEFAULT_SEPARATOR } from './source-options.js';
import type { FeatureExpression } from './features.js';
import { literalText, parseLiteral } from './formats/python.js';
import type { Literal } from './formats/python.js';

/** Separators to suggest if no value contains the one that was asked for. */
const OTHERS = ['\n', '; ', ';', ', ', ',', ' | ', '|', ' / ', '/', '\t', '::', ' - ', '&', ' '];

/** The SQL that turns a column of texts into lists. */
export interface ListSelect {
  /** An expression of type VARCHAR[]. */
  expression: string;
  from: string;
}

/** Makes the SQL that turns column `value` of `table` into lists, and notes what was read and what may be meant. */
export async function splitLists(
  session: DuckSession,
  table: string,
  value: string,
  { feature, separator: own }: FeatureExpression,
  notes: string[],
): Promise<ListSelect> {
  const { field, name } = feature;
  const separator = feature.separator ?? own ?? DEFAULT_SEPARATOR;
  const split = `string_split(${value}, ${quoteLiteral(separator)})`;
  const plain = { expression: split, from: table };
  // A list may also be in quotes, as in tables that were quoted twice.
  const bracketed = `regexp_full_match(${value}, '"?(set|frozenset)?[\\[({].*[\\])}]"?', 's')`;
  const [texts, lists, separated] = (
    await session.row(
      `SELECT count(${value})::DOUBLE, count(*) FILTER (${bracketed})::DOUBLE, count(*) FILTER (contains(${value}, ${quoteLiteral(separator)}))::DOUBLE FROM ${table}`,
      field,
    )
  ).map(Number);
  if (lists > 0) {
    const parsed = await parseLists(session, table, value, bracketed, field);
    if (parsed !== undefined) {
      notes.push(
        `${field} (${name}): ${lists} of ${texts} values are lists in brackets and were read as such${parsed.key === undefined ? '' : `, the ${show(parsed.key)} of each entry`}`,
      );
      return {
        expression: `coalesce(list_entries, ${split})`,
        from: `${table} LEFT JOIN ${parsed.table} ON list_text = ${value}`,
      };
    }
  }
  if (separated > 0 || own !== undefined || texts === 0) return plain;
  const [counts = []] = [
    await session.row(
      `SELECT ${OTHERS.map((other) => `count(*) FILTER (contains(${value}, ${quoteLiteral(other)}))::DOUBLE`).join(', ')} FROM ${table}`,
      field,
    ),
  ];
  const likely = OTHERS.find((_, k) => Number(counts[k]) * 5 >= texts);
  if (likely === undefined) return plain;
  const [examples = []] = await session.columns(
    `SELECT DISTINCT ${value} AS value FROM ${table} WHERE contains(${value}, ${quoteLiteral(likely)}) ORDER BY value LIMIT 3`,
    field,
  );
  notes.push(
    `${field} (${name}): no value holds the separator ${show(separator)}, so each is one entry, such as ${examples.map(show).join(', ')}; if these are lists, write in this feature: \`"separator": ${JSON.stringify(likely)}\``,
  );
  return plain;
}

/** Creates a table of the values in brackets (`list_text`) and their entries (`list_entries`); undefined if any is not a list. */
async function parseLists(
  session: DuckSession,
  table: string,
  value: string,
  bracketed: string,
  field: string,
): Promise<{ table: string; key: string | undefined } | undefined> {
  const [texts = []] = await session.columns(
    `SELECT DISTINCT ${value} AS value FROM ${table} WHERE ${bracketed}`,
    field,
  );
  let key: string | undefined;
  const entries: Record<string, string[]> = {};
  for (const text of texts as string[]) {
    const literal = parseList(text);
    const list = literal instanceof Map && literal.size === 0 ? [] : Array.isArray(literal) ? literal : undefined;
    // Brackets around text that is not a list, such as `(live)`, are part of the text.
    if (list === undefined) return undefined;
    entries[text] = [];
    for (const entry of list) {
      const found = entryText(entry);
      if (found === undefined)
        throw new InnerloopError(
          'INVALID_DATA',
          'a list whose entries are neither texts nor numbers nor objects with a name',
          {
            field,
            value: text,
            expected: 'lists of texts; of objects, those with a name, or features[…].sql that makes a list of texts',
          },
        );
      key = found.key ?? key;
      if (found.text !== null) entries[text].push(found.text);
    }
  }
  const name = `${table}_${value}_lists`;
  await session.run(
    `CREATE OR REPLACE TEMP TABLE ${name} AS SELECT key AS list_text, from_json(value, '["VARCHAR"]') AS list_entries FROM json_each($1::JSON)`,
    field,
    [JSON.stringify(entries)],
  );
  return { table: name, key };
}

/** Parses a list of Python or JSON, also as a set, in quotes, without commas (NumPy), or in braces without quotes (PostgreSQL). */
function parseList(text: string): Literal | undefined {
  const bare = text
    .replace(/^"([^]*)"$/, (_, inner: string) => inner.replaceAll('""', '"'))
    .replace(/^(?:frozenset|set)\(([^]*)\)$/, (_, inner: string) => (inner === '' ? '[]' : inner));
  if (/^\[\s*(('[^']*'|"[^"]*")\s+)+('[^']*'|"[^"]*")\s*\]$/.test(bare))
    return Array.from(bare.matchAll(/'([^']*)'|"([^"]*)"/g), (match) => match[1] ?? match[2]);
  const literal = parseLiteral(bare);
  if (literal !== undefined || !/^\{[^{}:']*\}$/.test(bare)) return literal;
  return Array.from(bare.slice(1, -1).matchAll(/\s*(?:"((?:[^"\\]|\\.)*)"|([^,]*))\s*(?:,|$)/gy), (match) =>
    match[1] === undefined ? match[2].trim() : match[1].replace(/\\(.)/g, '$1'),
  ).filter((entry) => entry !== '');
}

/** The text of one entry: the entry itself, or for an object the value of its first key that holds a name, and that key. */
function entryText(entry: Literal): { text: string | null; key?: string } | undefined {
  const text = literalText(entry);
  if (text !== undefined) return { text };
  if (!(entry instanceof Map)) return undefined;
  for (const key of ['name', 'title', 'value', 'label', 'id']) {
    const own = entry.get(key);
    const named = own === undefined ? undefined : literalText(own);
    if (named !== undefined) return { text: named, key };
  }
  return undefined;
}
