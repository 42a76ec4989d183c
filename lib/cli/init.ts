/** `innerloop init`: from files to a configuration that trains, with what was guessed said beside each line. */
import { access, writeFile } from 'node:fs/promises';
import { basename, dirname, extname, relative, resolve } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { openDataset } from '../data/index.js';
import type { TableSource } from '../data/index.js';
import { peekTable } from '../data/peek.js';
import type { PeekedTable } from '../data/peek.js';
import { invalid } from '../foundation/check.js';
import { InnerloopError } from '../foundation/errors.js';
import { guessFeature, guessRoles, ROLES, sourceOf } from './guess.js';
import type { Guess, Role } from './guess.js';
import { shellWord } from './output.js';
import type { Console } from './output.js';

export interface InitCommand {
  /** Ratings first, then tables of items and users in any order. */
  files: readonly string[];
  output: string | undefined;
  /** Take every guess without asking. */
  yes: boolean;
  console: Console;
}

type Source = TableSource & { from: string };
interface Entities {
  side: 'items' | 'users';
  source: Source;
  id: string;
  /** `column` where the feature cannot have the column's name. */
  features: { name: string; column?: string; kind: string; why: string; input: boolean }[];
  left: string[];
}

/** @throws {InnerloopError} as reading the files does; INVALID_OPTION where a guess needs an answer and no one can be asked */
export async function runInit({ files, output, yes, console }: InitCommand): Promise<void> {
  const [ratings, ...others] = files;
  const target = resolve(
    output ??
      `${basename(ratings)
        .replace(/\.gz$/, '')
        .replace(extname(basename(ratings)), '')}.json`,
  );
  if (
    await access(target).then(
      () => true,
      () => false,
    )
  )
    throw invalid('--output', 'is there already, and is not replaced', target, 'another file name');
  const { source, table, roles, entities } = await understand(ratings, others, yes, console);
  const [user, item] = [roles.user.column!, roles.item.column!];

  const folder = dirname(target);
  const label = table.columns.find(({ name }) => name === roles.label.column);
  const dataset = await openDataset({
    interactions: { ...source, user, item, ...(label && { label: label.name }) },
    missingLabel: 'drop',
    missingId: 'drop',
  });
  const values = new Set(dataset.label);
  const kind =
    values.size === 1 ? 'positives' : values.size === 2 && values.has(0) && values.has(1) ? 'clicks' : 'ratings';
  const text = write({ source, roles, entities, kind, least: leastRows(dataset.user, dataset.users.rows), folder });
  await writeFile(target, text);
  tellGuesses({ roles, entities }, console);
  console.note(
    `${dataset.size} interactions of ${dataset.users.rows - 1} users with ${dataset.items.rows - 1} items: ${kind}`,
  );
  const next = `innerloop train --config ${shellWord(relative('.', target) || target)}`;
  console.result(`wrote ${target}\nnext: ${next}`);
  console.json({ event: 'result', config: target, roles, kind, next });
}

/** What files hold, as far as names and values tell. */
export interface Understood {
  source: Source;
  table: PeekedTable;
  roles: Record<Role, Guess>;
  entities: Entities[];
}

/** @param yes take every guess without asking */
export async function understand(
  ratings: string,
  others: readonly string[],
  yes: boolean,
  console: Console,
): Promise<Understood> {
  const source = sourceOf(ratings);
  const table = await peekTable(source, 'interactions');
  const roles = await confirmed(guessRoles(table), table, yes, console);
  const [user, item] = [roles.user.column!, roles.item.column!];
  const entities: Entities[] = [];
  for (const file of others) entities.push(await entitiesOf(file, { user, item }, entities));
  return { source, table, roles, entities };
}

/** Says what was guessed. */
export function tellGuesses({ roles, entities }: Pick<Understood, 'roles' | 'entities'>, console: Console): void {
  for (const role of ROLES) console.note(`${role}: ${roles[role].column ?? 'none'} (${roles[role].why})`);
  for (const { side, source: from, id, features } of entities)
    console.note(
      `${side}: ${from.from}, id ${id}; ${features.map((one) => `${one.name} (${one.kind}: ${one.why})`).join(', ')}`,
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

/** Which side a table describes: the one whose id it has a column of. */
async function entitiesOf(
  file: string,
  ids: { user: string; item: string },
  before: readonly Entities[],
): Promise<Entities> {
  const source = sourceOf(file);
  const table = await peekTable(source, 'items');
  const isLike = (a: string, b: string) => bare(a) === bare(b);
  const unique = table.columns.filter(({ distinct, present }) => distinct === table.rows && present === table.rows);
  const find = (name: string) => table.columns.find((column) => isLike(column.name, name))?.name;
  const [asItem, asUser] = [find(ids.item), find(ids.user)];
  const looksLikeUsers = /user|customer|member/i.test(basename(file));
  const side =
    asItem !== undefined && asUser === undefined
      ? 'items'
      : asUser !== undefined && asItem === undefined
        ? 'users'
        : looksLikeUsers || before.some((one) => one.side === 'items')
          ? 'users'
          : 'items';
  const id =
    (side === 'items' ? asItem : asUser) ?? unique.find(({ name }) => /id$/i.test(name))?.name ?? unique[0]?.name;
  if (id === undefined)
    throw new InnerloopError('MISSING_COLUMN', `${file} has no column that names each row once`, {
      field: `${side}.id`,
      expected: `a table of ${side} with a column such as ${side === 'items' ? ids.item : ids.user}`,
    });
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
    const { kind, why } = guessFeature(column, table.rows);
    if (kind === undefined) left.push(`${column.name} (${why})`);
    else {
      const name = taken.has(column.name) ? `${side.slice(0, -1)} ${column.name}` : column.name;
      taken.add(name);
      features.push({
        name,
        ...(name !== column.name && { column: column.name }),
        kind,
        why,
        input: why !== 'shown by recommend',
      });
    }
  }
  return { side, source, id, features, left };
}

const bare = (name: string) =>
  name
    .replace(/:\w+$/, '')
    .replace(/[^a-z0-9]/gi, '')
    .toLowerCase();

/** So few rows make a task that half of the users have one; four where all have more. */
function leastRows(user: Int32Array, rows: number): number {
  const counts = new Int32Array(rows);
  for (const u of user) counts[u]++;
  const sorted = counts
    .subarray(1)
    .filter((n) => n > 0)
    .sort();
  return Math.max(2, Math.min(4, sorted[sorted.length >> 1] ?? 2));
}

interface Written {
  source: Source;
  roles: Record<Role, Guess>;
  entities: readonly Entities[];
  kind: 'positives' | 'clicks' | 'ratings';
  least: number;
  folder: string;
}

const MODELS = {
  ratings: {
    loss: 'mse',
    algorithm: '{ "name": "ridge" }',
    why: 'ratings: their values are estimated, by the last layer in closed form',
  },
  clicks: { loss: 'bce', algorithm: '{ "name": "laplace" }', why: '0 and 1: their probability is estimated' },
  positives: {
    loss: 'bpr',
    algorithm: '{ "name": "maml", "steps": 3, "learningRate": 0.5 }',
    why: 'every label is the same: what happened is ranked before drawn items, and held-out items among all items',
  },
} as const;

function write({ source, roles, entities, kind, least, folder }: Written): string {
  const q = JSON.stringify;
  const table = ({ from, ...options }: Source) =>
    [
      `"from": ${q(relative(folder, resolve(from)).replaceAll('\\', '/'))}`,
      ...Object.entries(options).map(([key, value]) => `${q(key)}: ${q(value)}`),
    ].join(', ');
  const columns = ROLES.filter((role) => roles[role].column !== undefined);
  const tables = entities.map(({ side, source: from, id, features, left }) =>
    [
      ...(left.length === 0 ? [] : [`    // Left out: ${left.join(', ').replaceAll('\n', ' ')}.`]),
      `    ${q(side)}: {`,
      `      ${table(from)},`,
      `      "id": ${q(id)},`,
      `      "features": [`,
      features
        .map(
          ({ name, column, kind: of, why }, k) =>
            `        { "name": ${q(name)}, ${column === undefined ? '' : `"column": ${q(column)}, `}"kind": ${q(of)} }${k + 1 < features.length ? ',' : ''} // ${why}`,
        )
        .join('\n'),
      `      ]`,
      `    }`,
    ].join('\n'),
  );
  const inputs = entities
    .flatMap(({ features }) => features.filter(({ input }) => input))
    .map(({ name, kind: of }) => `{ "name": ${q(name)}${of === 'dense' ? '' : ', "dim": 8'} }`);
  const model = MODELS[kind];
  return `{
  // Written by innerloop init. Comments are allowed; every option: lib/cli/config.schema.json.
  "data": {
    "interactions": {
      ${table(source)},
${columns.map((role, k) => `      ${q(role)}: ${q(roles[role].column)}${k + 1 < columns.length ? ',' : ''} // ${roles[role].why}`).join('\n')}
    },
${tables.map((text) => `${text},\n`).join('')}    // What cannot be used is left out, with a count.
    "missingLabel": "drop",
    "missingId": "drop"
  },
  // Every user is a task. The users of validation and test are not trained on: validation chooses the epoch, test is reported.
  "split": {
    "protocol": "users",
    "validation": 0.15,
    "test": 0.15,
    "tasks": { "min": ${least}, "query": { "fraction": 0.3 } } // of each user's rows this share is predicted from the rest
  },
  "model": {
    "inputs": [${[`{ "name": "item", "dim": ${kind === 'positives' ? 16 : 8} }`, ...inputs].join(', ')}],
    "hidden": ${kind === 'positives' ? '[]' : '[16], "activation": "identity"'},
    "loss": ${q(model.loss)} // ${model.why}
  },
  "algorithm": ${model.algorithm},
  "optimizer": { "name": "adam", "learningRate": 0.01, "schedule": "linear", "clipNorm": 5, "l2": 0.001 },
  "training": { "epochs": 20, "metaBatch": 16 },
  "seed": 1
}
`;
}
