/** The columns of a shard: interactions of whole tasks, one task after the other, each column in the least bytes that lose nothing. */
import type { NamedArray } from '../../files/safetensors.js';
import { InnerloopError } from '../../foundation/errors.js';

type Tensors = Record<string, NamedArray>;

/** The rows of some tasks. */
export interface ShardRows {
  item: Int32Array;
  label: Float32Array;
  time: Float64Array | undefined;
  weight: Float32Array | undefined;
  /** 1 for a query row, 0 for one of the support. */
  query: Uint8Array;
}

export function emptyRows(rows: number, hasTime: boolean, hasWeight: boolean): ShardRows {
  return {
    item: new Int32Array(rows),
    label: new Float32Array(rows),
    time: hasTime ? new Float64Array(rows) : undefined,
    weight: hasWeight ? new Float32Array(rows) : undefined,
    query: new Uint8Array(rows),
  };
}

/** Where the columns of a shard are, as they are stored. */
export interface StoredRows {
  rows: number;
  item: Int32Array;
  /** Labels, or numbers of `labels`. */
  label: Float32Array | Uint8Array;
  labels: Float32Array | undefined;
  /** Times, or what they are above `base`. */
  time: Float64Array | Int32Array | undefined;
  base: number;
  weight: Float32Array | undefined;
  /** A bit a row. */
  query: Uint8Array;
}

/** Labels that a byte can number. */
const MOST_LABELS = 256;

export function encodeRows({ item, label, time, weight, query }: ShardRows): { tensors: Tensors; columns: string } {
  const rows = item.length;
  const labels = numbered(label);
  const base = time === undefined ? undefined : wholeBase(time);
  const tensors: Tensors = {
    item: { shape: [rows], data: item },
    label: { shape: [rows], data: labels?.codes ?? label },
    ...(time && {
      time: { shape: [rows], data: base === undefined ? time : Int32Array.from(time, (at) => at - base) },
    }),
    ...(weight && { weight: { shape: [rows], data: weight } }),
    query: { shape: [Math.ceil(rows / 8)], data: bitsOf(query) },
  };
  return { tensors, columns: JSON.stringify({ rows, ...(labels && { labels: labels.values }), base: base ?? 0 }) };
}

/** @throws {InnerloopError} INVALID_DATA for columns that do not fit each other, which only a faulty writer makes */
export function decodeRows(tensors: Tensors, columns: string | undefined, items: number, field: string): StoredRows {
  const { item, label, time, weight, query } = Object.fromEntries(
    Object.entries(tensors).map(([name, { data }]) => [name, data]),
  );
  const { rows, labels, base } = JSON.parse(columns ?? '{}') as { rows: number; labels?: number[]; base: number };
  const isColumn = (data: unknown, ...types: (new (n: number) => ArrayLike<number>)[]) =>
    types.some((type) => data instanceof type) && (data as ArrayLike<number>).length === rows;
  const areColumns =
    isColumn(item, Int32Array) &&
    (labels === undefined ? isColumn(label, Float32Array) : isColumn(label, Uint8Array)) &&
    (time === undefined || isColumn(time, Float64Array, Int32Array)) &&
    (weight === undefined || isColumn(weight, Float32Array)) &&
    query instanceof Uint8Array &&
    query.length === Math.ceil(rows / 8) &&
    (item as Int32Array).every((id) => id > 0 && id < items) &&
    (labels === undefined || (label as Uint8Array).every((code) => code < labels.length));
  if (!areColumns)
    throw new InnerloopError('INVALID_DATA', 'the columns of the shard do not fit each other', { field });
  return {
    rows,
    item: item as Int32Array,
    label: label as Float32Array | Uint8Array,
    labels: labels && Float32Array.from(labels),
    time: time as Float64Array | Int32Array | undefined,
    base,
    weight: weight as Float32Array | undefined,
    query,
  };
}

/** Adds rows `from … to` of a shard to columns, from `at` on. */
export function copyRows(shard: StoredRows, from: number, to: number, into: ShardRows, at: number): void {
  const { labels, base } = shard;
  into.item.set(shard.item.subarray(from, to), at);
  if (labels === undefined) into.label.set(shard.label.subarray(from, to), at);
  else for (let row = from; row < to; row++) into.label[at + row - from] = labels[shard.label[row]];
  if (shard.time !== undefined)
    for (let row = from; row < to; row++) into.time![at + row - from] = base + shard.time[row];
  if (shard.weight !== undefined) into.weight!.set(shard.weight.subarray(from, to), at);
  for (let row = from; row < to; row++) into.query[at + row - from] = (shard.query[row >> 3] >> (row & 7)) & 1;
}

/** The labels as numbers of a list, where a byte can number them. */
function numbered(label: Float32Array): { codes: Uint8Array; values: number[] } | undefined {
  const places = new Map<number, number>();
  const codes = new Uint8Array(label.length);
  for (let row = 0; row < label.length; row++) {
    let code = places.get(label[row]);
    if (code === undefined) {
      code = places.size;
      if (code === MOST_LABELS) return undefined;
      places.set(label[row], code);
    }
    codes[row] = code;
  }
  return { codes, values: [...places.keys()] };
}

/** The least time, where all are whole numbers less than 2³¹ above it. */
function wholeBase(time: Float64Array): number | undefined {
  let [min, max] = [Infinity, -Infinity];
  for (const at of time) {
    if (!Number.isSafeInteger(at)) return undefined;
    if (at < min) min = at;
    if (at > max) max = at;
  }
  return max - min < 2 ** 31 ? min : undefined;
}

function bitsOf(flags: Uint8Array): Uint8Array {
  const bits = new Uint8Array(Math.ceil(flags.length / 8));
  for (let row = 0; row < flags.length; row++) bits[row >> 3] = bits[row >> 3] | (flags[row] << (row & 7));
  return bits;
}
