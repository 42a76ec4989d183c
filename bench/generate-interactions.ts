/**
 * Interactions with the skew of real ones, as large as asked for and the same in every run: `node dist/bench/generate-interactions.js 100e6 rows.parquet`.
 *
 * User ⌊U u³⌋ and item ⌊I v³⌋ of uniform u and v, a user for every hundred rows and an item for every thousand; ratings from 0.5 to 5.
 */
import { fileURLToPath } from 'node:url';
import { InnerloopError } from '../lib/foundation/errors.js';

export const FORMATS = ['csv', 'parquet'] as const;
export type Format = (typeof FORMATS)[number];

export async function generateInteractions(rows: number, path: string, format: Format): Promise<void> {
  const { DuckDBInstance } = await import('@duckdb/node-api');
  const instance = await DuckDBInstance.create(':memory:', { threads: '2' });
  const connection = await instance.connect();
  const [users, items] = [Math.ceil(rows / 100), Math.ceil(rows / 1000)];
  // hash() rather than random(): the same file in every run.
  const uniform = (salt: number): string => `(hash(i * 4 + ${salt}) / 18446744073709551616.0)`;
  await connection.run(
    `COPY (SELECT floor(${users} * pow(${uniform(0)}, 3))::INTEGER + 1 AS "user", floor(${items} * pow(${uniform(1)}, 3))::INTEGER + 1 AS item,
       (hash(i * 4 + 2) % 10 + 1)::INTEGER / 2 AS rating, 1100000000 + (hash(i * 4 + 3) % 400000000)::BIGINT AS time
       FROM range(${rows}) t(i)) TO '${path.replaceAll("'", "''")}' (FORMAT ${format}${format === 'csv' ? ', HEADER' : ''})`,
  );
  connection.closeSync();
  instance.closeSync();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [rows, path] = [Number(process.argv[2]), process.argv[3]];
  const format = FORMATS.find((each) => path?.endsWith(`.${each}`));
  if (!(Number.isSafeInteger(rows) && rows > 0) || format === undefined)
    throw new InnerloopError('INVALID_OPTION', 'not a number of rows and a file', {
      field: 'arguments',
      expected: 'such as 100e6 rows.parquet, or rows.csv',
    });
  await generateInteractions(rows, path, format);
}
