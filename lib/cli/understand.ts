/** What files hold, as far as names and values tell: which table describes whom, and which column is what. */
import { basename } from 'node:path';
import { createInterface } from 'node:readline/promises';
import type { DataSource, FeatureSpec, LabelSource } from '../data/index.js';
import { openPeeking } from '../data/peek.js';
import type { PeekedTable, Peeking } from '../data/peek.js';
import { invalid } from '../foundation/check.js';
import { InnerloopError } from '../foundation/errors.js';
import { guessFeature, guessRoles, ROLES, sourceOf, withoutHeader } from './guess.js';
import type { FileSource, GuessedFeature, Guess, Role } from './guess.js';
import type { Console } from './output.js';
import { flagsFor, inFlags, readingOf, roleFlag } from './reading-flags.js';
import type { ReadingFlags } from './reading-flags.js';
import { refuseWide } from './wide.js';

/** Files, interactions first, and what is told of them. */
export interface Asked {
  files: readonly string[];
  flags: ReadingFlags;
  /** Take every guess without asking. */
  yes: boolean;
}

export interface Entities {
  side: 'items' | 'users';
  source: FileSource;
  id: string;
  /** `column` where the feature cannot have the column's name. */
  features: (GuessedFeature & { name: string; column?: string; kind: FeatureSpec['kind']; input: boolean })[];
  left: string[];
}

export interface Understood {
  source: FileSource;
  table: PeekedTable;
  roles: Record<Role, Guess>;
  /** How labels are read, where that was told. */
  label: LabelSource | undefined;
  entities: Entities[];
}

/** @throws {InnerloopError} as reading the files does, with flags in place of lines of a configuration */
export async function understand({ files, flags, yes }: Asked, console: Console): Promise<Understood> {
  const [ratings, ...others] = files;
  const peeking = await openPeeking();
  // Tables are all peeked at as items before it is known which side they describe.
  let current = ratings;
  try {
    const { source, table } = await peekFile(peeking, ratings, files, flags, 'interactions');
    const told = roleFlag('label', flags);
    const label = typeof told === 'object' && told !== null ? (told as LabelSource) : undefined;
    const guessed = toldRoles(flags, label, table, table.columns);
    refuseWide(source, table, guessed);
    const roles = await confirmed(guessed, table, yes, console);
    const entities: Entities[] = [];
    for (const file of others) {
      current = file;
      entities.push(await entitiesOf(peeking, file, { files, flags }, { table, roles }, entities));
    }
    return { source, table, roles, label, entities };
  } catch (error) {
    throw inFlags(error, (table) => (table === 'interactions' ? ratings : current), ratings);
  } finally {
    peeking.close();
  }
}

/** Reads a table; a first line whose values come again below it is a row. */
async function peekFile(
  peeking: Peeking,
  file: string,
  files: readonly string[],
  flags: ReadingFlags,
  field: string,
): Promise<{ source: FileSource; table: PeekedTable }> {
  const source = sourceOf(file, readingOf(file, files, flags));
  const table = await peeking.peek(source, field);
  const { user, item } = guessRoles(table);
  const isNamed = [user, item].some(({ why }) => why === 'by its name');
  if (source.header !== undefined || source.columns !== undefined || isNamed) return { source, table };
  if (!table.columns.some(({ likeName }) => likeName > 0)) return { source, table };
  const headless = withoutHeader(source, table.columns.length);
  return { source: headless, table: await peeking.peek(headless, field) };
}

function toldRoles(
  flags: ReadingFlags,
  label: LabelSource | undefined,
  table: PeekedTable,
  columns: PeekedTable['columns'],
): Record<Role, Guess> {
  const told: Partial<Record<Role, string | null>> = {};
  for (const role of ['user', 'item', 'label', 'time'] as const) {
    const given = role === 'label' && label !== undefined ? label.column : (roleFlag(role, flags) as string | null);
    if (given === undefined) continue;
    if (given !== null && !columns.some(({ name }) => name === given))
      throw invalid(`--${role}`, 'no such column', given, columns.map(({ name }) => name).join(', '));
    told[role] = given;
  }
  return guessRoles(table, told);
}

/** What is read: rows without a user, an item, a time or a label are left out with a count. */
export function dataSource({ source, roles, label, entities }: Understood): DataSource {
  const [user, item] = [roles.user.column!, roles.item.column!];
  const columns = Object.fromEntries(
    (['label', 'count', 'time'] as const).flatMap((role) =>
      roles[role].column === undefined ? [] : [[role, roles[role].column]],
    ),
  );
  const data: DataSource = {
    interactions: { ...source, user, item, ...columns, ...(label !== undefined && { label }) },
    missingLabel: 'drop',
    missingId: 'drop',
    missingTime: 'drop',
  };
  for (const { side, source: from, id, features } of entities)
    data[side] = {
      ...from,
      id,
      features: features.map(({ name, column, kind, separator }) => ({ name, column, kind, separator })),
    };
  return data;
}

/** What reading the files says, with flags in place of lines of a configuration: of a note, and of an error. */
export const toldNote = (note: string, understood: Understood, files: readonly string[]): string =>
  flagsFor(note, fileIn(understood, files), files[0]);
export const toldError = (error: unknown, understood: Understood, files: readonly string[]): unknown =>
  inFlags(error, fileIn(understood, files), files[0]);

const fileIn =
  ({ entities }: Understood, [ratings]: readonly string[]) =>
  (table: string): string | undefined =>
    table === 'interactions' ? ratings : entities.find(({ side }) => side === table)?.source.from;

/** Says what was guessed. */
export function tellGuesses({ roles, entities }: Pick<Understood, 'roles' | 'entities'>, console: Console): void {
  for (const role of ROLES)
    if (role !== 'count' || roles.count.column !== undefined)
      console.note(`${role}: ${roles[role].column ?? 'none'} (${roles[role].why})`);
  for (const { side, source: from, id, features, left } of entities)
    console.note(
      [
        `${side}: ${from.from}, id ${id}`,
        ...(features.length === 0 ? [] : [features.map((one) => `${one.name} (${one.kind}: ${one.why})`).join(', ')]),
        ...(left.length === 0 ? [] : [`left out: ${left.join(', ')}`]),
      ].join('; '),
    );
}

/** Guesses by values alone are asked about; a user and an item there must be. */
async function confirmed(
  guesses: Record<Role, Guess>,
  { columns }: PeekedTable,
  yes: boolean,
  console: Console,
): Promise<Record<Role, Guess>> {
  for (const role of ['user', 'item'] as const)
    if (guesses[role].column === undefined)
      throw new InnerloopError('MISSING_COLUMN', `no column looks like the ${role}`, {
        field: `interactions.${role}`,
        expected: 'a file of two columns or more, interactions first',
      });
  const unsure = ROLES.filter((role) => !guesses[role].sure);
  if (yes || unsure.length === 0) return guesses;
  if (process.stdin.isTTY !== true)
    throw invalid(
      '--yes',
      `${unsure.map((role) => `${role} is ${guesses[role].column} by its values`).join(', ')}, and no one can be asked`,
      undefined,
      '--yes to take these guesses',
    );
  const names = columns.map(({ name }) => name);
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    for (const role of unsure) {
      const guess = guesses[role].column!;
      console.note(`columns: ${columns.map(({ name, examples }) => `${name} (${examples.join(', ')})`).join('; ')}`);
      const answer = (await terminal.question(`Which column is the ${role}? [${guess}] `)).trim();
      if (answer !== '' && !names.includes(answer)) throw invalid(role, 'no such column', answer, names.join(', '));
      guesses[role] = { column: answer === '' ? guess : answer, why: 'as answered', sure: true };
    }
  } finally {
    terminal.close();
  }
  return guesses;
}

/** A column that names each row once, and the share of its ids that the interactions have. */
interface Candidate {
  side: Entities['side'];
  id: string;
  isNamed: boolean;
  share: number;
}

/** Which side a table describes: the one whose id a column has that names each row once, by name, else by its values. */
async function entitiesOf(
  peeking: Peeking,
  file: string,
  { files, flags }: Pick<Asked, 'files' | 'flags'>,
  interactions: { table: PeekedTable; roles: Record<Role, Guess> },
  before: readonly Entities[],
): Promise<Entities> {
  const { source, table } = await peekFile(peeking, file, files, flags, 'items');
  const ids = { items: interactions.roles.item.column!, users: interactions.roles.user.column! };
  const unique = table.columns.filter(({ distinct, present }) => distinct === table.rows && present === table.rows);
  const named = table.columns.filter(({ name }) => Object.values(ids).some((id) => bare(name) === bare(id)));
  if (unique.length === 0 || (named.length > 0 && !named.some((column) => unique.includes(column))))
    throw noEntities(file, table, named[0]);
  const candidates: Candidate[] = [];
  for (const { name } of unique) {
    for (const side of ['items', 'users'] as const) {
      const share = await peeking.overlap(interactions.table, ids[side], table, name);
      const isNamed = bare(name) === bare(ids[side]);
      if (isNamed || share > 0) candidates.push({ side, id: name, isNamed, share });
    }
  }
  const looks = /user|customer|member/i.test(basename(file))
    ? 'users'
    : /item|movie|product|book|song/i.test(basename(file))
      ? 'items'
      : undefined;
  const isTaken = (side: Entities['side']) => before.some((other) => other.side === side);
  const rank = ({ side, isNamed, share, id }: Candidate): number =>
    (isNamed ? 4 : 0) + (side === looks ? 2 : 0) + (isTaken(side) ? 0 : 1) + (/id$/i.test(id) ? 0.5 : 0) + share;
  // Ids in another spelling share none: reading the table names both.
  if (candidates.length === 0)
    for (const { name } of unique)
      candidates.push({ side: looks ?? (isTaken('items') ? 'users' : 'items'), id: name, isNamed: false, share: 0 });
  const [{ side, id }] = candidates.sort((a, b) => rank(b) - rank(a));
  const twin = before.find((other) => other.side === side);
  if (twin !== undefined)
    throw invalid(
      'files',
      `two tables of ${side}: ${twin.source.from} and ${file}`,
      file,
      `one of them, or both joined in ${side}.sql`,
    );
  // Inputs of a model go by name alone: ids, and features of the other table, have theirs.
  const taken = new Set(['user', 'item', ...before.flatMap((other) => other.features.map(({ name }) => name))]);
  const features: Entities['features'] = [];
  const left: string[] = [];
  for (const column of table.columns) {
    if (column.name === id) continue;
    const { kind, why, separator } = guessFeature(column, table.rows);
    if (kind === undefined) left.push(`${column.name} (${why})`);
    else {
      const name = taken.has(column.name) ? `${side.slice(0, -1)} ${column.name}` : column.name;
      taken.add(name);
      features.push({
        name,
        ...(name !== column.name && { column: column.name }),
        kind,
        ...(separator !== undefined && { separator }),
        why,
        input: why !== 'shown by recommend',
      });
    }
  }
  return { side, source, id, features, left };
}

/** Interactions of another kind, such as tags, or a table without ids. */
function noEntities(file: string, { rows }: PeekedTable, named: PeekedTable['columns'][0] | undefined): InnerloopError {
  const how =
    named === undefined
      ? 'no column that names each row once'
      : named.present < rows
        ? `no value of ${named.name} in ${rows - named.present} of ${rows} rows`
        : `${rows} rows of ${named.distinct} different ${named.name}`;
  return new InnerloopError('INVALID_DATA', `${file} is no table of items or users: it has ${how}`, {
    field: 'files',
    value: file,
    expected: `a row for each item or user${named === undefined ? '' : '; what happened several times to one of them is a table of interactions of its own'}`,
  });
}

const bare = (name: string) =>
  name
    .replace(/:\w+$/, '')
    .replace(/[^a-z0-9]/gi, '')
    .toLowerCase();
