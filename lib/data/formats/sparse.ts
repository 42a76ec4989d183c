/** Converts sparse rows: LibSVM, and LibFFM, which adds a field to each entry. */
import type { DuckSession } from '../duckdb.js';
import type { FoundFile } from '../files.js';
import type { FoundFiles } from '../open-files.js';
import { badLine, linesOf, writeTable } from './lines.js';

interface Row {
  label: string;
  /** The query id, which follows `qid:` in files of rankings. */
  query: string | null;
  entries: string[][];
}

const LIBSVM = 'a label, then index:value pairs';
const LIBFFM = 'a label, then field:index:value triples';

/**
 * Converts LibSVM into columns `label`, `index1`, `value1`, `index2`, …, where `index<k>` and `value<k>` are a line's k-th pair (a
 * line with a user and an item has two), and `qid` if any line has one.
 */
export async function fromLibsvm(
  session: DuckSession,
  files: readonly FoundFile[],
  field: string,
): Promise<FoundFiles> {
  let width = 0;
  let isRanking = false;
  for await (const { entries, query } of parse(files, 2, field, LIBSVM)) {
    width = Math.max(width, entries.length);
    isRanking ||= query !== null;
  }
  const ranked = (text: string | null) => (isRanking ? [text] : []);
  const names = [
    'label',
    ...ranked('qid').map(String),
    ...Array.from({ length: width }, (_, k) => [`index${k + 1}`, `value${k + 1}`]).flat(),
  ];
  async function* rows() {
    for await (const { label, query, entries } of parse(files, 2, field, LIBSVM))
      yield [label, ...ranked(query), ...Array.from({ length: width }, (_, k) => entries[k] ?? [null, null]).flat()];
  }
  return writeTable(session, names, rows());
}

/**
 * Converts LibFFM into a column `label` and two columns for each field: one with the field's name, which holds the index, and
 * `<field>:value`. A field that some line has more than once is called `<field>:list`, and its entries are joined by `|`, which is how
 * bags are read.
 */
export async function fromLibffm(
  session: DuckSession,
  files: readonly FoundFile[],
  field: string,
): Promise<FoundFiles> {
  const fields = new Set<string>();
  const lists = new Set<string>();
  for await (const { entries } of parse(files, 3, field, LIBFFM)) {
    const own = new Set<string>();
    for (const [name] of entries) (own.has(name) ? lists : own).add(name);
    for (const name of own) fields.add(name);
  }
  const names = [...fields].sort((a, b) => Number(a) - Number(b) || (a < b ? -1 : 1));
  async function* rows() {
    for await (const { label, entries } of parse(files, 3, field, LIBFFM)) {
      const cells = (name: string): (string | null)[] => {
        const own = entries.filter(([other]) => other === name);
        if (own.length === 0) return [null, null];
        return [1, 2].map((part) => own.map((entry) => entry[part]).join('|'));
      };
      yield [label, ...names.flatMap(cells)];
    }
  }
  const columns = names.map((name) => (lists.has(name) ? `${name}:list` : name));
  return writeTable(session, ['label', ...columns.flatMap((name) => [name, `${name}:value`])], rows());
}

async function* parse(
  files: readonly FoundFile[],
  parts: number,
  field: string,
  expected: string,
): AsyncGenerator<Row> {
  for (const file of files)
    for await (const [line, number] of linesOf(file, field)) {
      const text = line.replace(/#.*$/, '').trim();
      if (text === '') continue;
      const [label, ...rest] = text.split(/\s+/);
      const query = /^qid:(.+)$/.exec(rest[0] ?? '')?.[1] ?? null;
      const entries = (query === null ? rest : rest.slice(1)).map((entry) => entry.split(':'));
      if (label.includes(':') || entries.some((entry) => entry.length !== parts || entry.includes('')))
        throw badLine(file, line, number, field, expected);
      yield { label, query, entries };
    }
}
