/** Rows of one user or of many, as the core takes them. */
import type { NativeFrame, NativeRows } from '../foundation/addon.js';
import type { FloatArray, InputSpec } from '../foundation/contract.js';

/** @internal Rows of one call alone, and the columns that they are over. */
export interface PackedRows {
  frame: NativeFrame;
  rows: NativeRows;
}

type Own = NonNullable<NativeRows['overrides']>[number];

/** @internal Whether rows bring columns for the same inputs: only such can be joined. */
export function ownInputs({ overrides = [], rowWeights }: NativeRows): string {
  return `${overrides.map(({ input }) => input).join(' ')}${rowWeights === undefined ? '' : ' weighted'}`;
}

/**
 * @internal The tasks of several batches over one frame, and with columns of their own for the same inputs, as one batch.
 * @param paired the parts are in turn the support rows of a task and its query rows, which have no labels
 */
export function joinTasks(parts: readonly NativeRows[], inputs: readonly InputSpec[], paired = false): NativeRows {
  if (parts.length === 1) return parts[0];
  const counts = parts.map(({ begin }) => begin[begin.length - 1]);
  const total = counts.reduce((a, b) => a + b, 0);
  const begin: number[] = [0];
  let first = 0;
  for (const [p, part] of parts.entries()) {
    if (paired) begin.push(first + counts[p]);
    else for (let i = 1; i < part.begin.length; i++) begin.push(first + part.begin[i]);
    first += counts[p];
  }
  const overrides = (parts[0].overrides ?? []).map((_, k) => joinColumns(parts.map((part) => part.overrides![k])));
  const shared = parts[0].sides.length - overrides.length;
  const sides = parts[0].sides.map((one, side) => {
    // The same for all, as what is not known of anybody.
    if (typeof one === 'number' && side < shared && parts.every((part) => part.sides[side] === one)) return one;
    const joined = new Int32Array(total);
    let at = 0;
    // The rows of such columns are numbered through.
    let shift = 0;
    for (const [p, part] of parts.entries()) {
      const rows = part.sides[side];
      if (typeof rows === 'number') joined.fill(rows + shift, at, at + counts[p]);
      else for (let i = 0; i < counts[p]; i++) joined[at + i] = rows[i] + shift;
      at += counts[p];
      if (side >= shared) shift += rowsOf(part.overrides![side - shared], inputs);
    }
    return joined;
  });
  return {
    begin: Int32Array.from(begin),
    sides,
    overrides,
    labels: joinFloats(
      parts.map(({ labels }, p) => ({ values: labels, rows: counts[p] })),
      0,
    ),
    rowWeights: joinFloats(
      parts.map(({ rowWeights }, p) => ({ values: rowWeights, rows: counts[p] })),
      1,
    ),
  };
}

/** Values of parts that have some; those of the others are `otherwise`. Undefined where none has any. */
function joinFloats(
  parts: readonly { values: FloatArray | undefined; rows: number }[],
  otherwise: number,
): FloatArray | undefined {
  const known =
    parts.find(({ values, rows }) => values !== undefined && rows > 0) ??
    parts.find(({ values }) => values !== undefined);
  if (known === undefined) return undefined;
  const width = known.rows === 0 ? 1 : known.values!.length / known.rows;
  const total = parts.reduce((sum, { rows }) => sum + rows, 0);
  const joined = new (known.values!.constructor as new (n: number) => FloatArray)(total * width).fill(otherwise);
  let at = 0;
  for (const { values, rows } of parts) {
    if (values !== undefined) joined.set(values, at * width);
    at += rows;
  }
  return joined;
}

function joinColumns(columns: readonly Own[]): Own {
  const [{ input, side, dense, offsets }] = columns;
  if (dense !== undefined)
    return {
      input,
      side,
      dense: joinFloats(
        columns.map((c) => ({ values: c.dense, rows: c.dense!.length })),
        0,
      ),
    };
  const ids = new Int32Array(columns.reduce((sum, column) => sum + column.ids!.length, 0));
  const begins = [0];
  let at = 0;
  for (const column of columns) {
    ids.set(column.ids!, at);
    for (let r = 1; r < (column.offsets?.length ?? 0); r++) begins.push(at + column.offsets![r]);
    at += column.ids!.length;
  }
  return { input, side, ids, ...(offsets && { offsets: Int32Array.from(begins) }) };
}

function rowsOf({ input, dense, offsets, ids }: Own, inputs: readonly InputSpec[]): number {
  if (dense !== undefined) return dense.length / (inputs[input] as InputSpec & { kind: 'dense' }).size;
  return offsets !== undefined ? offsets.length - 1 : ids!.length;
}
