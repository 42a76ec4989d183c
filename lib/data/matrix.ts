import { extname, resolve } from 'node:path';
import { readWhole } from '../files/durable.js';
import { InnerloopError, show, suggesting } from '../foundation/errors.js';
import { decodeNpy } from '../files/npy.js';
import { decodeTensors } from '../files/safetensors.js';
import type { Matrix } from './columns.js';
import type { DuckSession } from './duckdb.js';
import type { IdSource, ResolvedFeature } from './feature-spec.js';
import { uniqueIdTexts } from './ids.js';
import { columnOf, openRelation, reading } from './relation.js';
import { textExpression } from './values.js';

const isSafetensors = (path: string): boolean => extname(path).toLowerCase() === '.safetensors';

/** Reads the matrix of a feature's file. Its numbers are checked later, when `placeMatrix` copies them. */
export async function readMatrix(
  baseDirectory: string,
  { file, tensor, size, field }: ResolvedFeature,
): Promise<Matrix> {
  const bytes = await readBytes(baseDirectory, file!, `${field}.file`);
  const { shape, data } = isSafetensors(file!)
    ? pickTensor(bytes, file!, tensor, field)
    : decodeNpy(bytes, `${field}.file`);
  const isNumbers = data instanceof Float32Array || data instanceof Float64Array;
  if (!isNumbers || shape.length !== 2 || shape[1] === 0 || (size !== undefined && shape[1] !== size)) {
    const found = `${data.constructor.name.replace(/Array$/, '')} of shape (${shape.join(', ')})`;
    throw new InnerloopError('INVALID_DATA', `${file!} holds no matrix of features`, {
      field: `${field}.file`,
      value: found,
      expected: `floating-point numbers of shape (rows, ${size ?? 'size'})`,
    });
  }
  return { rows: shape[0], size: shape[1], data };
}

/** The ids of a matrix's rows as texts, in the order of the rows. */
export async function readIds(
  session: DuckSession,
  { file, field }: ResolvedFeature,
  ids: IdSource,
): Promise<string[]> {
  const { baseDirectory } = session.options;
  const path = `${field}.ids`;
  if (typeof ids === 'string') return readList(baseDirectory, ids, path);
  if ('tensor' in ids) {
    const bytes = await readBytes(baseDirectory, file!, `${field}.file`);
    return integerTexts(pickTensor(bytes, file!, ids.tensor, `${path}.tensor`), path);
  }
  const wanted = { name: ids.column, field: `${path}.column`, as: 'text' as const };
  const relation = await openRelation(session, ids, path, { columns: [wanted], typed: false });
  const { sql, type } = columnOf(relation, ids.column, wanted.field);
  const expression = textExpression(sql, type, relation.rules);
  if (relation.userSql)
    await session.runInOrder(
      `CREATE OR REPLACE TEMP TABLE matrix_ids AS SELECT ${expression} AS id FROM ${relation.sql}`,
      path,
    );
  const select = relation.userSql
    ? 'SELECT id FROM matrix_ids ORDER BY rowid'
    : `SELECT ${expression} FROM ${relation.sql}`;
  const [texts = []] = await reading(relation, () => session.columns(select, path));
  return uniqueIdTexts(texts, path, []);
}

async function readList(baseDirectory: string, name: string, field: string): Promise<string[]> {
  const bytes = await readBytes(baseDirectory, name, field);
  const extension = extname(name).toLowerCase();
  if (extension === '.npy') return integerTexts(decodeNpy(bytes, field), field);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    if (extension === '.txt') return uniqueIdTexts(text.replace(/\r?\n$/, '').split(/\r?\n/), field, []);
    const list: unknown = JSON.parse(text);
    if (Array.isArray(list)) return uniqueIdTexts(list, field, []);
  } catch (cause) {
    if (cause instanceof InnerloopError) throw cause;
    throw new InnerloopError('INVALID_DATA', `cannot be read: ${(cause as Error).message}`, {
      field,
      value: name,
      expected: extension === '.txt' ? 'text in UTF-8' : 'JSON',
      cause,
    });
  }
  throw new InnerloopError('INVALID_DATA', 'not a list', {
    field,
    value: name,
    expected: 'a JSON array of texts or numbers',
  });
}

function integerTexts({ shape, data }: { shape: number[]; data: ArrayLike<unknown> }, field: string): string[] {
  if ((data instanceof Int32Array || data instanceof BigInt64Array) && shape.length === 1)
    return uniqueIdTexts(data, field, []);
  throw new InnerloopError('INVALID_DATA', 'holds no ids', {
    field,
    value: `${data.constructor.name} of shape (${shape.join(', ')})`,
    expected: 'integers of shape (rows)',
  });
}

async function readBytes(baseDirectory: string, path: string, field: string): Promise<Uint8Array> {
  try {
    return await readWhole(resolve(baseDirectory, path));
  } catch (error) {
    // The error is thrown again with the option as its field, like every other error about a source.
    if (!(error instanceof InnerloopError)) throw error;
    throw new InnerloopError(error.code, `cannot read ${resolve(baseDirectory, path)}`, {
      field,
      value: path,
      expected: error.expected,
      cause: error,
    });
  }
}

function pickTensor(bytes: Uint8Array, path: string, name: string | undefined, field: string) {
  const tensors = tensorsOf(bytes, path, field);
  const names = Object.keys(tensors);
  const found =
    name === undefined
      ? names.filter((other) => tensors[other].shape.length === 2)
      : names.filter((other) => other === name);
  if (found.length === 1) return tensors[found[0]];
  const what =
    name === undefined
      ? `${path} has ${found.length} tensors of two dimensions`
      : suggesting(`${path} has no such tensor`, name, names);
  throw new InnerloopError('INVALID_DATA', what, {
    field: name === undefined ? `${field}.tensor` : field,
    value: name,
    expected: `one of ${names.map(show).join(', ')}`,
  });
}

function tensorsOf(bytes: Uint8Array, path: string, field: string) {
  try {
    return decodeTensors(bytes, path);
  } catch (error) {
    if (!(error instanceof InnerloopError) || error.code !== 'MODEL_FILE') throw error;
    throw new InnerloopError('INVALID_DATA', error.message, { field, cause: error });
  }
}
