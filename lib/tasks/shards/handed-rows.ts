/** Rows of tasks as bytes that one process hands to another: eight bytes that say which columns there are, then these, widest first. */
import type { TaskSize } from '../../foundation/task-source-types.js';
import { emptyRows } from './columns.js';
import type { ShardRows } from './columns.js';

const HEAD = 8;
const HAS_TIME = 1;
const HAS_WEIGHT = 2;

type Column = Float64Array | Int32Array | Float32Array | Uint8Array;
const columnsOf = ({ time, item, label, weight, query }: ShardRows): Column[] =>
  [time, item, label, weight, query].filter((column) => column !== undefined);

export function rowsToBytes(rows: ShardRows): Uint8Array {
  const { item, time, weight } = rows;
  const columns = columnsOf(rows);
  const bytes = new Uint8Array(columns.reduce((sum, { byteLength }) => sum + byteLength, HEAD));
  const flags = (time === undefined ? 0 : HAS_TIME) | (weight === undefined ? 0 : HAS_WEIGHT);
  new Uint32Array(bytes.buffer, 0, 2).set([item.length, flags]);
  let at = HEAD;
  for (const { buffer, byteOffset, byteLength } of columns) {
    bytes.set(new Uint8Array(buffer, byteOffset, byteLength), at);
    at += byteLength;
  }
  return bytes;
}

function rowsFromBytes(bytes: Uint8Array): ShardRows {
  // Columns of eight bytes a number have to begin at a multiple of eight.
  const { buffer, byteOffset } = bytes.byteOffset % HEAD === 0 ? bytes : bytes.slice();
  const [rows, flags] = new Uint32Array(buffer, byteOffset, 2);
  let at = byteOffset + HEAD;
  const next = <C extends Column>(type: new (buffer: ArrayBufferLike, at: number, length: number) => C): C => {
    const column = new type(buffer, at, rows);
    at += column.byteLength;
    return column;
  };
  const time = flags & HAS_TIME ? next(Float64Array) : undefined;
  const [item, label] = [next(Int32Array), next(Float32Array)];
  return { time, item, label, weight: flags & HAS_WEIGHT ? next(Float32Array) : undefined, query: next(Uint8Array) };
}

/**
 * The rows of the tasks `from … to − 1` of those given, in their order, from what the owners of all handed over.
 *
 * @param bytes by process: nothing of one that owns none of the tasks
 */
export function assembleRows(
  tasks: Int32Array,
  owners: Int32Array,
  bytes: readonly Uint8Array[],
  sizeOf: (task: number) => TaskSize,
  from: number,
  to: number,
): ShardRows {
  const handed = bytes.map((own) => (own.length === 0 ? undefined : rowsFromBytes(own)));
  const first = handed.find((rows) => rows !== undefined);
  const rowsOf = (task: number) => {
    const { support, query } = sizeOf(task);
    return support + query;
  };
  const total = tasks.subarray(from, to).reduce((sum, task) => sum + rowsOf(task), 0);
  const all = emptyRows(total, first?.time !== undefined, first?.weight !== undefined);
  const [into, given] = [columnsOf(all), handed.map((rows) => rows && columnsOf(rows))];
  const taken = new Int32Array(bytes.length);
  let at = 0;
  for (let k = 0; k < to; k++) {
    const owner = owners[k];
    const [start, end] = [taken[owner], (taken[owner] += rowsOf(tasks[k]))];
    if (k < from) continue;
    into.forEach((column, c) => column.set(given[owner]![c].subarray(start, end), at));
    at += end - start;
  }
  return all;
}
