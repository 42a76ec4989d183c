/** Stores a catalog in a model file: feature tables and their ids as tensors, the rest as metadata. */
import type {
  BagColumn,
  CategoricalColumn,
  Column,
  Dataset,
  DenseColumn,
  FeatureTable,
  SequenceColumn,
  Vocabulary,
} from '../foundation/contract.js';
import { withoutInteractions } from './columns.js';
import { createVocabulary, indexed } from './vocabulary.js';
import { restoreTexts, storeTexts } from '../files/texts.js';
import type { TextEncoding } from '../files/texts.js';
import type { NamedArray } from '../files/safetensors.js';
import { InnerloopError } from '../foundation/errors.js';

type Tensors = Record<string, NamedArray>;

/** The part of a table that is stored as metadata; ids, texts and numbers are tensors. */
interface StoredTable {
  rows: number;
  keys: TextEncoding;
  columns: ({
    name: string;
    kind: Column['kind'];
    size?: number;
    /** Moments and unscaled numbers, if the column has them, are tensors. */
    scaling?: { normalized: boolean; standardized: boolean };
    vocabulary?: TextEncoding;
  } & Partial<Pick<SequenceColumn, 'maxLength' | 'minLabel' | 'of'>>)[];
}
export interface StoredCatalog {
  users: StoredTable;
  items: StoredTable;
  context: StoredTable;
}

/** A table with the unknown user only. */
const NO_USERS: FeatureTable = { rows: 1, keys: createVocabulary(['']), columns: [] };

/** Stores a catalog. @param readsUsers whether the model reads user ids or features; if not, users are left out */
export function storeCatalog({ users, items, context }: Dataset, tensors: Tensors, readsUsers: boolean): StoredCatalog {
  return {
    users: storeTable('users', readsUsers ? users : NO_USERS, tensors),
    items: storeTable('items', items, tensors),
    context: storeTable('context', context, tensors),
  };
}

function storeTable(side: string, table: FeatureTable, tensors: Tensors): StoredTable {
  const columns = table.columns.map((column) => {
    const { name, kind, data } = column;
    // A catalog has no interactions, so sequences have no data: the history of a served user is the support set.
    if (kind === 'sequence')
      return { name, kind, maxLength: column.maxLength, minLabel: column.minLabel, of: column.of };
    tensors[`${side}.${name}`] = { shape: [data.length], data };
    if (kind === 'dense') {
      const { size, scaling } = column;
      if (scaling === undefined) return { name, kind, size };
      const { normalized, moments, raw } = scaling;
      if (raw !== undefined) tensors[`scaling.${side}.${name}.raw`] = { shape: [raw.length], data: raw };
      for (const [which, values] of Object.entries(moments ?? {}))
        tensors[`scaling.${side}.${name}.${which}`] = { shape: [size], data: values };
      return { name, kind, size, scaling: { normalized, standardized: moments !== undefined } };
    }
    if (kind === 'bag') tensors[`${side}.${name}.offsets`] = { shape: [column.offsets.length], data: column.offsets };
    return { name, kind, vocabulary: storeTexts(tensors, `texts.${side}.column.${name}`, column.vocabulary.values) };
  });
  return { rows: table.rows, keys: storeTexts(tensors, `texts.${side}.keys`, table.keys.values), columns };
}

export function restoreCatalog(catalog: StoredCatalog, tensors: Tensors): Dataset {
  const items = restoreTable('items', catalog.items, tensors);
  const users = restoreTable('users', catalog.users, tensors);
  return withoutInteractions(
    { users, items, context: restoreTable('context', catalog.context, tensors, items.keys) },
    1,
  );
}

/** Ids, lengths and offsets are checked again when the table is bound to the model. */
function restoreTable(
  side: string,
  { rows, keys: encoding, columns }: StoredTable,
  tensors: Tensors,
  items?: Vocabulary,
): FeatureTable {
  const damaged = (name: string) =>
    new InnerloopError('MODEL_FILE', 'a column is missing or does not fit its table', { field: `${side}.${name}` });
  const array = <A>(name: string, type: new (n: number) => A): A => {
    const data = tensors[`${side}.${name}`]?.data;
    if (!(data instanceof type)) throw damaged(name);
    return data;
  };
  const keys = restoreTexts(tensors, `texts.${side}.keys`, encoding);
  if (keys.length !== rows && keys.length > 1) throw damaged('keys');
  const restored = columns.map(({ name, kind, size, scaling, vocabulary, maxLength, minLabel, of }): Column => {
    if (kind === 'sequence') {
      if (
        items === undefined ||
        rows !== 1 ||
        !Number.isInteger(maxLength) ||
        (of !== 'before' && of !== 'support') ||
        (minLabel !== undefined && typeof minLabel !== 'number')
      )
        throw damaged(name);
      return {
        kind,
        name,
        vocabulary: items,
        maxLength: maxLength!,
        minLabel,
        of,
        offsets: new Int32Array(2),
        data: new Int32Array(0),
      };
    }
    if (kind === 'dense') {
      const column: DenseColumn = { kind, name, size: size ?? 0, data: array(name, Float32Array) };
      if (column.data.length !== rows * column.size) throw damaged(name);
      if (scaling === undefined) return column;
      if (typeof scaling.normalized !== 'boolean' || typeof scaling.standardized !== 'boolean') throw damaged(name);
      const moment = (which: string): Float64Array => {
        const values = tensors[`scaling.${side}.${name}.${which}`]?.data;
        if (!(values instanceof Float64Array) || values.length !== column.size || !values.every(Number.isFinite))
          throw damaged(name);
        return values;
      };
      const moments = scaling.standardized ? { mean: moment('mean'), scale: moment('scale') } : undefined;
      const raw = tensors[`scaling.${side}.${name}.raw`]?.data;
      const isNumbers = raw instanceof Float32Array || raw instanceof Float64Array;
      if (raw !== undefined && !(isNumbers && raw.length === column.data.length)) throw damaged(name);
      const kept = { normalized: scaling.normalized, ...(moments && { moments }), ...(isNumbers && { raw }) };
      return { ...column, scaling: kept };
    }
    if (kind !== 'categorical' && kind !== 'bag') throw damaged(name);
    const texts = restoreTexts(tensors, `texts.${side}.column.${name}`, vocabulary!);
    const data = array(name, Int32Array);
    if (data.some((id) => id < 0 || id >= texts.length)) throw damaged(name);
    if (kind === 'bag') {
      const column: BagColumn = {
        kind,
        name,
        vocabulary: createVocabulary(texts),
        offsets: array(`${name}.offsets`, Int32Array),
        data,
      };
      const { offsets } = column;
      if (
        offsets.length !== rows + 1 ||
        offsets[rows] !== data.length ||
        offsets.some((at, r) => at < 0 || (r > 0 && at < offsets[r - 1]))
      )
        throw damaged(name);
      return column;
    }
    if (data.length !== rows) throw damaged(name);
    const column: CategoricalColumn = { kind, name, vocabulary: createVocabulary(texts), data };
    return column;
  });
  return { rows, keys: indexed(createVocabulary(keys)), columns: restored };
}
