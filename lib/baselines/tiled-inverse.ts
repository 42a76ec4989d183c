import { invalid } from '../foundation/check.js';

/** Rows and columns of a tile: three tiles of doubles (96 kB) stay in a core's second-level cache. */
const TILE = 64;
const AREA = TILE * TILE;

/**
 * A symmetric matrix as the tiles of its lower triangle, each a row-major square: half the memory of the whole, and every
 * product works on memory that lies together. The last rows and columns are filled up with the identity.
 */
export class SymmetricTiles {
  readonly size: number;
  /** Tiles along a side. */
  readonly side: number;
  readonly #tiles: Float64Array[];

  constructor(size: number) {
    this.size = size;
    this.side = Math.ceil(size / TILE);
    this.#tiles = Array.from({ length: (this.side * (this.side + 1)) / 2 }, () => new Float64Array(AREA));
    for (let i = size; i < this.side * TILE; i++) this.add(i, i, 1);
  }

  /** Bytes that a matrix of so many rows takes. */
  static bytes(size: number): number {
    const side = Math.ceil(size / TILE);
    return ((side * (side + 1)) / 2) * AREA * Float64Array.BYTES_PER_ELEMENT;
  }

  tile(i: number, j: number): Float64Array {
    return this.#tiles[(i * (i + 1)) / 2 + j];
  }

  /** Adds to entry (i, j) and, as they are one, (j, i). */
  add(i: number, j: number, value: number): void {
    const [row, column] = i >= j ? [i, j] : [j, i];
    this.tile(Math.floor(row / TILE), Math.floor(column / TILE))[(row % TILE) * TILE + (column % TILE)] += value;
  }

  at(i: number, j: number): number {
    const [row, column] = i >= j ? [i, j] : [j, i];
    return this.tile(Math.floor(row / TILE), Math.floor(column / TILE))[(row % TILE) * TILE + (column % TILE)];
  }
}

/**
 * Replaces a symmetric positive definite matrix by its inverse: Cholesky A = L Lᵀ, then L⁻¹, then L⁻ᵀ L⁻¹, each in place
 * and tile by tile (LAPACK's potrf, trtri and lauum). n³ multiply-adds in all.
 *
 * @param turn awaited between rows of tiles, so that timers run and a signal can stop it
 * @throws {InnerloopError} INVALID_OPTION naming `field` where the matrix is not positive definite
 */
export async function invert(matrix: SymmetricTiles, field: string, turn: () => Promise<void>): Promise<void> {
  await factorize(matrix, field, turn);
  await invertFactor(matrix, turn);
  await multiplyTransposed(matrix, turn);
}

/** A = L Lᵀ; the lower triangle becomes L. */
export async function factorize(matrix: SymmetricTiles, field: string, turn: () => Promise<void>): Promise<void> {
  const { side } = matrix;
  for (let k = 0; k < side; k++) {
    const diagonal = matrix.tile(k, k);
    factorTile(diagonal, field);
    for (let i = k + 1; i < side; i++) solveTile(matrix.tile(i, k), diagonal);
    for (let i = k + 1; i < side; i++) {
      await turn();
      for (let j = k + 1; j <= i; j++) addProduct(matrix.tile(i, j), matrix.tile(i, k), matrix.tile(j, k), -1);
    }
  }
}

/** W = L⁻¹, the last column of tiles first: W_ij = −Σ_k W_ik L_kj W_jj, from the bottom up as each needs the L above it. */
async function invertFactor(matrix: SymmetricTiles, turn: () => Promise<void>): Promise<void> {
  const { side } = matrix;
  const sum = new Float64Array(AREA);
  for (let j = side - 1; j >= 0; j--) {
    const own = matrix.tile(j, j);
    invertTile(own);
    const ownFlipped = transposed(own, new Float64Array(AREA));
    const columns = Array.from({ length: side - j - 1 }, (_, k) =>
      transposed(matrix.tile(j + 1 + k, j), new Float64Array(AREA)),
    );
    for (let i = side - 1; i > j; i--) {
      await turn();
      sum.fill(0);
      for (let k = j + 1; k <= i; k++) addProduct(sum, matrix.tile(i, k), columns[k - j - 1], 1);
      const target = matrix.tile(i, j).fill(0);
      addProduct(target, sum, ownFlipped, -1);
    }
  }
}

/** P = Wᵀ W, whose tile (i, j) needs the tiles of W from row i on: rows from the top, the diagonal last of each. */
async function multiplyTransposed(matrix: SymmetricTiles, turn: () => Promise<void>): Promise<void> {
  const { side } = matrix;
  for (let i = 0; i < side; i++) {
    const left = Array.from({ length: side - i }, (_, k) => transposed(matrix.tile(i + k, i), new Float64Array(AREA)));
    const right = new Float64Array(AREA);
    for (let j = 0; j <= i; j++) {
      await turn();
      const sum = new Float64Array(AREA);
      for (let k = i; k < side; k++) addProduct(sum, left[k - i], transposed(matrix.tile(k, j), right), 1);
      matrix.tile(i, j).set(sum);
    }
  }
}

/** c += sign · a bᵀ: two rows of a by four of b at a time, whose sums stay in registers. */
function addProduct(c: Float64Array, a: Float64Array, b: Float64Array, sign: 1 | -1): void {
  for (let i = 0; i < AREA; i += 2 * TILE) {
    for (let j = 0; j < TILE; j += 4) {
      let s00 = 0;
      let s01 = 0;
      let s02 = 0;
      let s03 = 0;
      let s10 = 0;
      let s11 = 0;
      let s12 = 0;
      let s13 = 0;
      let at = j * TILE;
      for (let k = i; k < i + TILE; k++, at++) {
        const x = a[k];
        const y = a[k + TILE];
        const b0 = b[at];
        const b1 = b[at + TILE];
        const b2 = b[at + 2 * TILE];
        const b3 = b[at + 3 * TILE];
        s00 += x * b0;
        s01 += x * b1;
        s02 += x * b2;
        s03 += x * b3;
        s10 += y * b0;
        s11 += y * b1;
        s12 += y * b2;
        s13 += y * b3;
      }
      const to = i + j;
      c[to] += sign * s00;
      c[to + 1] += sign * s01;
      c[to + 2] += sign * s02;
      c[to + 3] += sign * s03;
      c[to + TILE] += sign * s10;
      c[to + TILE + 1] += sign * s11;
      c[to + TILE + 2] += sign * s12;
      c[to + TILE + 3] += sign * s13;
    }
  }
}

function transposed(from: Float64Array, to: Float64Array): Float64Array {
  for (let i = 0; i < TILE; i++) for (let j = 0; j < TILE; j++) to[j * TILE + i] = from[i * TILE + j];
  return to;
}

/** Cholesky of one tile; what is above the diagonal becomes 0. */
function factorTile(a: Float64Array, field: string): void {
  for (let j = 0; j < TILE; j++) {
    const rowJ = j * TILE;
    let pivot = a[rowJ + j];
    for (let k = 0; k < j; k++) pivot -= a[rowJ + k] * a[rowJ + k];
    if (!(pivot > 0)) throw invalid(field, 'leaves the matrix singular', pivot, 'a larger value');
    const root = Math.sqrt(pivot);
    a[rowJ + j] = root;
    for (let i = j + 1; i < TILE; i++) {
      const rowI = i * TILE;
      let sum = a[rowI + j];
      for (let k = 0; k < j; k++) sum -= a[rowI + k] * a[rowJ + k];
      a[rowI + j] = sum / root;
      a[rowJ + i] = 0;
    }
  }
}

/** x ← x L⁻ᵀ, row by row. */
function solveTile(x: Float64Array, l: Float64Array): void {
  for (let row = 0; row < AREA; row += TILE) {
    for (let j = 0; j < TILE; j++) {
      let sum = x[row + j];
      for (let k = 0; k < j; k++) sum -= x[row + k] * l[j * TILE + k];
      x[row + j] = sum / l[j * TILE + j];
    }
  }
}

/** The inverse of a lower triangular tile, in place, column by column from the last. */
function invertTile(l: Float64Array): void {
  for (let j = TILE - 1; j >= 0; j--) {
    const own = 1 / l[j * TILE + j];
    for (let i = TILE - 1; i > j; i--) {
      let sum = 0;
      for (let k = j + 1; k <= i; k++) sum += l[i * TILE + k] * l[k * TILE + j];
      l[i * TILE + j] = -sum * own;
    }
    l[j * TILE + j] = own;
  }
}
