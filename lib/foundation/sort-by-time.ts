/** Ascending by time, ties by row; a sort of indices rather than of pairs, since most users have few rows. */
export function sortByTime(rows: Int32Array, time: Float64Array): Int32Array {
  for (let i = 1; i < rows.length; i++) {
    // Files are often in time order already.
    if (time[rows[i]] >= time[rows[i - 1]]) continue;
    return rows.sort((a, b) => time[a] - time[b] || a - b);
  }
  return rows;
}
