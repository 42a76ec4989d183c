/** Ids that look like lists of ids in one cell: each is read as one id, and a note says how to split them. */
import { show } from '../foundation/errors.js';
import { quoteIdentifier, quoteLiteral } from './duckdb.js';
import { advice, FILE_KEYS } from './table-source.js';
import type { TableSource } from './table-source.js';

/** The separators that lists of ids are looked for with. */
const SEPARATORS = ['|', ';', ',', ' '] as const;
const BRACKETS = /^\s*[[({].*[\])}]\s*$/s;

/**
 * Adds a note if at least half of the ids look like lists. A blank may also separate the words of a title: so every part between
 * blanks must have a digit, unless most users have a single row, as in files in which each line is a user and all of their items.
 *
 * @param ids the distinct ids
 * @param isOneRow whether most users have a single row
 */
export function remarkListedIds(
  name: 'user' | 'item',
  ids: readonly string[],
  isOneRow: boolean,
  source: TableSource & { user: string; item: string },
  notes: string[],
): void {
  const found = listedIds(ids, isOneRow);
  if (found === undefined) return;
  const id = quoteIdentifier(source[name]);
  const list = found.isBracketed
    ? `regexp_extract_all(${id}, '[^][(){}'' ,"]+')`
    : `string_split(${id}, ${quoteLiteral(found.separator)})`;
  // The options that say how a file is read do not apply to SQL over it, so the advice can name the file only without them.
  const isPlain = source.from !== undefined && FILE_KEYS.every((key) => source[key] === undefined);
  const remedy = isPlain
    ? `${advice('interactions', { sql: `SELECT * REPLACE (unnest(${list}) AS ${id}) FROM ${quoteLiteral(source.from)}` })} in place of from`
    : `make a row of each in sql: \`SELECT * REPLACE (unnest(${list}) AS ${id}) FROM …\``;
  notes.push(
    `interactions.${name}: ${found.count} of ${ids.length} ${name}s look like lists, such as ${show(found.example)}, and each was read as one id; if they are lists of ids, ${remedy}`,
  );
}

interface Listed {
  count: number;
  example: string;
  isBracketed: boolean;
  separator: string;
}

function listedIds(ids: readonly string[], isOneRow: boolean): Listed | undefined {
  const most = (test: (id: string) => boolean): { count: number; example: string } | undefined => {
    let [count, example] = [0, ''];
    for (const id of ids) if (test(id) && count++ === 0) example = id;
    return 2 * count >= ids.length && count > 1 ? { count, example } : undefined;
  };
  const bracketed = most((id) => BRACKETS.test(id));
  if (bracketed !== undefined) return { ...bracketed, isBracketed: true, separator: ',' };
  for (const separator of SEPARATORS) {
    const isList = (id: string): boolean => {
      if (!id.includes(separator)) return false;
      const parts = id.split(separator).map((part) => part.trim());
      return parts.every((part) => /^[^\s|;,]+$/.test(part) && (separator !== ' ' || isOneRow || /\d/.test(part)));
    };
    const listed = most(isList);
    if (listed !== undefined) return { ...listed, isBracketed: false, separator };
  }
  return undefined;
}
