/** Converts sparse matrices of users and items: MatrixMarket files, and archives of scipy.sparse.save_npz. */
import { readFile } from 'node:fs/promises';
import { InnerloopError, show } from '../../foundation/errors.js';
import { decodeNpy } from '../../files/npy.js';
import type { DuckSession } from '../duckdb.js';
import type { FoundFile } from '../files.js';
import type { FoundFiles } from '../open-files.js';
import { badLine, linesOf, writeTable } from './lines.js';
import { zipEntries } from './zip.js';

const NAMES = ['row', 'column', 'value'];

/** Converts a MatrixMarket file. Rows and columns are numbered from 1, as in the file. */
export async function fromMatrixMarket(
  session: DuckSession,
  files: readonly FoundFile[],
  field: string,
): Promise<FoundFiles> {
  async function* rows() {
    for (const file of files) {
      let kind: string[] | undefined;
      let left: number | undefined;
      for await (const [line, number] of linesOf(file, field)) {
        if (number === 1) {
          kind = line.trim().toLowerCase().split(/\s+/);
          const [mark, object, layout, values, symmetry] = kind;
          if (
            mark !== '%%matrixmarket' ||
            object !== 'matrix' ||
            layout !== 'coordinate' ||
            values === 'complex' ||
            !['general', 'symmetric'].includes(symmetry)
          )
            throw badLine(
              file,
              line,
              number,
              field,
              '%%MatrixMarket matrix coordinate real|integer|pattern general|symmetric; in Python scipy.io.mmwrite(…, scipy.sparse.coo_matrix(matrix))',
            );
          continue;
        }
        if (line.startsWith('%') || line.trim() === '') continue;
        const cells = line.trim().split(/\s+/);
        if (left === undefined) {
          left = Number(cells[2]);
          continue;
        }
        if (cells.length !== (kind![3] === 'pattern' ? 2 : 3) || left-- === 0)
          throw badLine(file, line, number, field, 'row, column and value, as many as the second line says');
        const [row, column, value = '1'] = cells;
        yield [row, column, value];
        // The file of a symmetric matrix holds one half of it.
        if (kind![4] === 'symmetric' && row !== column) yield [column, row, value];
      }
      if (left !== 0)
        throw new InnerloopError('INVALID_DATA', `${file.path} ends before its last entry`, {
          field: `${field}.from`,
          value: left,
          expected: 'no entry left',
        });
    }
  }
  return writeTable(session, NAMES, rows());
}

/** Converts an archive of scipy. Rows and columns are numbered from 0, as in scipy. */
export async function fromNpz(session: DuckSession, files: readonly FoundFile[], field: string): Promise<FoundFiles> {
  async function* rows() {
    for (const { path } of files) {
      const arrays = zipEntries(await readFile(path), `${field}.from`);
      const read = (name: string): ArrayLike<number | bigint> => {
        const bytes = arrays.get(`${name}.npy`);
        if (bytes === undefined)
          throw new InnerloopError('INVALID_DATA', `${path} has no array ${show(name)}`, {
            field: `${field}.from`,
            value: [...arrays.keys()],
            expected: 'an archive of scipy.sparse.save_npz in the format csr, csc or coo',
          });
        return decodeNpy(bytes(), `${field}.from`).data;
      };
      const data = read('data');
      if (arrays.has('row.npy')) {
        const [row, column] = [read('row'), read('col')];
        for (let k = 0; k < data.length; k++) yield [String(row[k]), String(column[k]), String(data[k])];
        continue;
      }
      const [indices, indptr] = [read('indices'), read('indptr')];
      const format = formatOf(arrays.get('format.npy')?.());
      if (format !== 'csr' && format !== 'csc')
        throw new InnerloopError('UNSUPPORTED', `${path} holds a matrix in the format ${show(format)}`, {
          field: `${field}.from`,
          value: format,
          expected: 'csr, csc or coo: scipy.sparse.save_npz(…, matrix.tocsr()) in Python',
        });
      const isColumns = format === 'csc';
      for (let major = 0; major + 1 < indptr.length; major++)
        for (let k = Number(indptr[major]); k < Number(indptr[major + 1]); k++) {
          const pair = [String(major), String(indices[k])];
          yield [...(isColumns ? pair.reverse() : pair), String(data[k])];
        }
    }
  }
  return writeTable(session, NAMES, rows());
}

/** The format's name, which scipy writes as an array of one text, in bytes or in code points; csr if there is no such array. */
function formatOf(bytes: Uint8Array | undefined): string {
  return bytes === undefined
    ? 'csr'
    : Buffer.from(bytes.subarray(-16))
        .toString('latin1')
        .replace(/[^a-z]/g, '')
        .slice(-3);
}
