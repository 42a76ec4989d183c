/** Rows grouped by key in a counting sort: `order[offsets[k]] … order[offsets[k + 1] − 1]` are the rows of key k, ascending. */
export function groupRows(
  key: Int32Array,
  keys: number,
  rows: Int32Array | undefined,
): { order: Int32Array; offsets: Int32Array } {
  const size = rows === undefined ? key.length : rows.length;
  const offsets = new Int32Array(keys + 1);
  for (let i = 0; i < size; i++) offsets[key[rows === undefined ? i : rows[i]] + 1]++;
  for (let k = 0; k < keys; k++) offsets[k + 1] += offsets[k];
  const next = offsets.slice(0, keys);
  const order = new Int32Array(size);
  for (let i = 0; i < size; i++) {
    const row = rows === undefined ? i : rows[i];
    order[next[key[row]]++] = row;
  }
  return { order, offsets };
}
