/** A pivot below this share of the largest diagonal is a direction without data: its coordinate is set to 0. */
const RELATIVE_PIVOT = 1e-13;

/**
 * Solves A x = b for a symmetric positive semi-definite A, in place.
 *
 * @param a n × n row-major, lower triangle; overwritten by its Cholesky factor.
 * @param b n; overwritten by x. Coordinates without data (zero pivot) come out 0.
 */
export function choleskySolve(a: Float64Array, b: Float64Array, n: number): void {
  let largest = 0;
  for (let j = 0; j < n; j++) largest = Math.max(largest, a[j * n + j]);
  for (let j = 0; j < n; j++) {
    const rowJ = j * n;
    let pivot = a[rowJ + j];
    for (let k = 0; k < j; k++) pivot -= a[rowJ + k] * a[rowJ + k];
    // An infinite pivot divides its column and its coordinate to 0.
    const root = pivot > RELATIVE_PIVOT * largest ? Math.sqrt(pivot) : Infinity;
    a[rowJ + j] = root;
    for (let i = j + 1; i < n; i++) {
      const rowI = i * n;
      let sum = a[rowI + j];
      for (let k = 0; k < j; k++) sum -= a[rowI + k] * a[rowJ + k];
      a[rowI + j] = sum / root;
    }
  }
  for (let i = 0; i < n; i++) {
    let sum = b[i];
    for (let k = 0; k < i; k++) sum -= a[i * n + k] * b[k];
    b[i] = sum / a[i * n + i];
  }
  for (let i = n - 1; i >= 0; i--) {
    let sum = b[i];
    for (let k = i + 1; k < n; k++) sum -= a[k * n + i] * b[k];
    b[i] = sum / a[i * n + i];
  }
}
