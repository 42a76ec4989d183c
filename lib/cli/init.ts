/** `innerloop init`: from files to a configuration that trains, with what was guessed said beside each line. */
import { access, writeFile } from 'node:fs/promises';
import { basename, dirname, extname, relative, resolve } from 'node:path';
import { openDataset } from '../data/index.js';
import type { LabelSource } from '../data/index.js';
import { invalid } from '../foundation/check.js';
import type { Dataset } from '../foundation/contract.js';
import { visible } from '../foundation/text.js';
import { ROLES } from './guess.js';
import type { FileSource, Guess, Role } from './guess.js';
import { shellWord } from './output.js';
import type { Console } from './output.js';
import { dataSource, tellGuesses, toldError, understand } from './understand.js';
import type { Asked, Entities, Understood } from './understand.js';

export interface InitCommand extends Asked {
  output: string | undefined;
  console: Console;
}

/** @throws {InnerloopError} as reading the files does; INVALID_OPTION where a guess needs an answer and no one can be asked */
export async function runInit({ output, console, ...asked }: InitCommand): Promise<void> {
  const [ratings] = asked.files;
  const plain = basename(ratings).replace(/\.(gz|zst)$/, '');
  const target = resolve(output ?? `${plain.replace(extname(plain), '')}.json`);
  if (
    await access(target).then(
      () => true,
      () => false,
    )
  )
    throw invalid('--output', 'is there already, and is not replaced', target, 'another file name');
  const understood = await understand(asked, console);
  // All of it is read as training will, so that what is wrong with it is said here.
  const dataset = await openDataset(dataSource(understood)).catch((error: unknown) => {
    throw toldError(error, understood, asked.files) as Error;
  });
  const kind = kindOf(dataset, understood.roles);
  if (kind === 'positives') leaveLabelOut(dataset, understood.roles);
  const folder = dirname(target);
  const { roles } = understood;
  const text = write({ ...understood, kind, least: leastRows(dataset.user, dataset.users.rows), folder });
  await writeFile(target, text);
  tellGuesses(understood, console);
  for (const note of dataset.notes) console.note(`note: ${visible(note)}`);
  console.note(
    `${dataset.size} interactions of ${dataset.users.rows - 1} users with ${dataset.items.rows - 1} items: ${kind}`,
  );
  const next = `innerloop train --config ${shellWord(relative('.', target) || target)}`;
  console.result(`wrote ${target}\nnext: ${next}`);
  console.json({ event: 'result', config: target, roles, kind, next });
}

type Kind = keyof typeof MODELS;

function kindOf({ label }: Dataset, roles: Understood['roles']): Kind {
  if (roles.label.column === undefined) return 'positives';
  const values = new Set(label);
  if (values.size === 1) return 'positives';
  return values.size === 2 && values.has(0) && values.has(1) ? 'clicks' : 'ratings';
}

/** Labels that are all one number estimate nothing: what happened is what there is to learn from. */
function leaveLabelOut({ label }: Dataset, roles: Record<Role, Guess>): void {
  const { column } = roles.label;
  if (column === undefined) return;
  roles.label = { column: undefined, why: `left out: every ${column} is ${label[0]}`, sure: true };
}

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
  source: FileSource;
  roles: Record<Role, Guess>;
  label: LabelSource | undefined;
  entities: readonly Entities[];
  kind: Kind;
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

function write({ source, roles, label, entities, kind, least, folder }: Written): string {
  const q = JSON.stringify;
  const table = ({ from, ...options }: FileSource) =>
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
          ({ name, column, kind: of, separator, why }, k) =>
            `        { "name": ${q(name)}, ${column === undefined ? '' : `"column": ${q(column)}, `}"kind": ${q(of)}${separator === undefined ? '' : `, "separator": ${q(separator)}`} }${k + 1 < features.length ? ',' : ''} // ${why}`,
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
${roles.label.column === undefined && roles.label.why !== 'none found' ? `      // No label: ${roles.label.why}.\n` : ''}${columns.map((role, k) => `      ${q(role)}: ${q(role === 'label' && label !== undefined ? label : roles[role].column)}${k + 1 < columns.length ? ',' : ''} // ${roles[role].why}`).join('\n')}
    },
${tables.map((text) => `${text},\n`).join('')}    // What cannot be used is left out, with a count.
    "missingLabel": "drop",
    "missingId": "drop"${
      roles.time.column === undefined
        ? ''
        : `,
    "missingTime": "drop"`
    }
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
