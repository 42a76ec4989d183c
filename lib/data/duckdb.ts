import { aborted } from '../foundation/abort.js';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { InnerloopError } from '../foundation/errors.js';

type Bindings = typeof import('@duckdb/node-bindings');

export const DUCKDB_INSTALL = 'npm install @duckdb/node-api';

/** Receives one column in chunks: `bytes` holds `positions.length` values, of which value k belongs to row `positions[k]`. */
export type Sink = {
  /** Bytes per row; for an ARRAY column, the bytes of the whole array. */
  width: number;
  /** True for an ARRAY column, whose values lie in DuckDB's child vector. */
  array?: boolean;
  write(positions: Int32Array, bytes: Uint8Array): void;
};

export interface SessionOptions {
  baseDirectory: string;
  threads: number | undefined;
  signal: AbortSignal | undefined;
  /** Bytes that DuckDB may hold before it writes to `temporary`, a folder. Default: most of the machine's memory. */
  memory?: { bytes: number; temporary: string };
}

/** The type of array that holds the numbers of a result's column. */
type NumberType = typeof Int32Array | typeof Float32Array | typeof Float64Array;

export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export function quoteLiteral(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** Escapes a path for DuckDB's readers. Globs were expanded before, so a bracket in a file's name is part of the name. */
export function escapeGlob(path: string): string {
  return path.replace(/[*?[]/g, (character) => `[${character}]`);
}

/** A private in-memory DuckDB. Every statement goes through it, so that DuckDB's errors reach callers as `InnerloopError`s only. */
export class DuckSession {
  readonly options: SessionOptions;
  /** Notes on what was changed or dropped while reading; they become the dataset's notes. */
  readonly notes: string[] = [];
  #folder: string | undefined;
  #files = 0;
  readonly #instance: DuckDBInstance;
  readonly #connection: DuckDBConnection;
  readonly #bindings: Bindings;
  readonly #interrupt: () => void;

  private constructor(
    options: SessionOptions,
    instance: DuckDBInstance,
    connection: DuckDBConnection,
    bindings: Bindings,
  ) {
    this.options = options;
    this.#instance = instance;
    this.#connection = connection;
    this.#bindings = bindings;
    this.#interrupt = () => connection.interrupt();
    options.signal?.addEventListener('abort', this.#interrupt, { once: true });
  }

  /** @throws {InnerloopError} UNSUPPORTED if the optional peer `@duckdb/node-api` is not installed */
  static async open(options: SessionOptions): Promise<DuckSession> {
    const { api, bindings } = await loadDuckDB();
    try {
      const { threads, memory } = options;
      const config: Record<string, string> = {
        ...(threads !== undefined && { threads: String(threads) }),
        ...(memory !== undefined && { memory_limit: `${memory.bytes}B`, temp_directory: memory.temporary }),
      };
      const instance = await api.DuckDBInstance.create(':memory:', config);
      const session = new DuckSession(options, instance, await instance.connect(), bindings);
      // Row numbers follow the order of insertion, so that order must be the file's.
      await session.run('SET preserve_insertion_order = true', 'source');
      // A time without an offset is read as UTC, whatever time zone this machine is set to.
      await session.run("SET TimeZone = 'UTC'", 'source');
      if (options.baseDirectory !== process.cwd()) {
        await session.run(`SET file_search_path = ${quoteLiteral(options.baseDirectory)}`, 'source');
      }
      return session;
    } catch (error) {
      throw error instanceof InnerloopError ? error : translate(error, 'source', undefined);
    }
  }

  close(): void {
    this.options.signal?.removeEventListener('abort', this.#interrupt);
    this.#connection.closeSync();
    this.#instance.closeSync();
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true });
  }

  /** The path of a new file that lives as long as the session. */
  temporaryFile(extension: string): string {
    this.#folder ??= mkdtempSync(join(tmpdir(), 'innerloop-data-'));
    return join(this.#folder, `${this.#files++}.${extension}`);
  }

  async run(sql: string, field: string, values: string[] = []): Promise<void> {
    await this.#guard(field, () => this.#connection.run(sql, values));
  }

  /** Runs a statement on one thread, so that its rows come in the same order in every run, whatever the query does. */
  async runInOrder(sql: string, field: string): Promise<void> {
    await this.run('SET threads = 1', field);
    try {
      await this.run(sql, field);
    } finally {
      await this.run(
        this.options.threads === undefined ? 'RESET threads' : `SET threads = ${this.options.threads}`,
        field,
      );
    }
  }

  /** The result of a query that fits in memory, as a list for each column. */
  async columns(sql: string, field: string): Promise<unknown[][]> {
    return this.#guard(field, async () => (await this.#connection.runAndReadAll(sql)).getColumnsJS());
  }

  /** The first row of a small result; empty if there is none. */
  async row(sql: string, field: string): Promise<unknown[]> {
    return (await this.columns(sql, field)).map((column) => column[0]);
  }

  /**
   * Streams a result into typed arrays in chunks of 2,048 rows, without a JavaScript object per row. The first column of the
   * result is the row's position (INTEGER); each further column goes to one sink. No value may be null.
   */
  async transfer(sql: string, sinks: readonly Sink[], field: string): Promise<void> {
    const bindings = this.#bindings;
    await this.#guard(field, async () => {
      const result = await this.#connection.stream(sql);
      for (;;) {
        const chunk = await result.fetchChunk();
        const rows = chunk?.rowCount ?? 0;
        if (chunk === null || rows === 0) return;
        const bytes = aligned(bindings.vector_get_data(bindings.data_chunk_get_vector(chunk.chunk, 0), rows * 4), 4);
        const positions = new Int32Array(bytes.buffer, bytes.byteOffset, rows);
        for (let k = 0; k < sinks.length; k++) {
          const sink = sinks[k];
          const vector = bindings.data_chunk_get_vector(chunk.chunk, k + 1);
          const data = sink.array === true ? bindings.array_vector_get_child(vector) : vector;
          sink.write(positions, bindings.vector_get_data(data, rows * sink.width));
        }
      }
    });
  }

  /**
   * Yields a result in its order in chunks of 2,048 rows, as an array of numbers for each column. The arrays are valid until the next
   * chunk is requested. No value may be null.
   */
  async *chunks(
    sql: string,
    types: readonly NumberType[],
    field: string,
  ): AsyncGenerator<(Int32Array | Float32Array | Float64Array)[], void, undefined> {
    const bindings = this.#bindings;
    const result = await this.#guard(field, () => this.#connection.stream(sql));
    for (;;) {
      const chunk = await this.#guard(field, () => result.fetchChunk());
      const rows = chunk?.rowCount ?? 0;
      if (chunk === null || rows === 0) return;
      yield types.map((type, k) => {
        const width = type.BYTES_PER_ELEMENT;
        const vector = bindings.data_chunk_get_vector(chunk.chunk, k);
        const { buffer, byteOffset } = aligned(bindings.vector_get_data(vector, rows * width), width);
        return new type(buffer as ArrayBuffer, byteOffset, rows);
      });
    }
  }

  async #guard<T>(field: string, action: () => Promise<T>): Promise<T> {
    const { signal } = this.options;
    try {
      signal?.throwIfAborted();
      return await action();
    } catch (error) {
      throw translate(error, field, signal);
    }
  }
}

/** The bytes at an offset that a typed array of `width` bytes an element can start at; copied only if theirs is not. */
function aligned(bytes: Uint8Array, width: number): Uint8Array {
  return bytes.byteOffset % width === 0 ? bytes : bytes.slice();
}

/** A sink that scatters 4- or 8-byte numbers to their positions. */
export function scatter(target: Int32Array | Float32Array | Float64Array): Sink {
  const width = target.BYTES_PER_ELEMENT;
  return {
    width,
    write(positions, bytes) {
      const { buffer, byteOffset } = aligned(bytes, width);
      const View = target.constructor as Int32ArrayConstructor | Float32ArrayConstructor | Float64ArrayConstructor;
      const values = new View(buffer as ArrayBuffer, byteOffset, positions.length);
      for (let k = 0; k < positions.length; k++) target[positions[k]] = values[k]!;
    },
  };
}

/** A sink that scatters fixed-size arrays of doubles to the rows of `target`, rows × size. */
export function scatterRows(target: Float64Array, size: number): Sink {
  return {
    width: 8 * size,
    array: true,
    write(positions, bytes) {
      const { buffer, byteOffset } = aligned(bytes, 8);
      const values = new Float64Array(buffer as ArrayBuffer, byteOffset, positions.length * size);
      for (let k = 0; k < positions.length; k++) {
        target.set(values.subarray(k * size, (k + 1) * size), positions[k] * size);
      }
    },
  };
}

async function loadDuckDB(): Promise<{ api: typeof import('@duckdb/node-api'); bindings: Bindings }> {
  try {
    const require = createRequire(import.meta.url);
    // Its hundred and eighty CommonJS files: `import` would scan each for the names that it exports before running it.
    const api = require('@duckdb/node-api') as typeof import('@duckdb/node-api');
    // node-api does not expose raw vectors: its own bindings do, and they are resolved from where it was installed.
    const bindings = createRequire(require.resolve('@duckdb/node-api'))('@duckdb/node-bindings') as Bindings;
    return { api, bindings };
  } catch (cause) {
    throw new InnerloopError(
      'UNSUPPORTED',
      `reading files and SQL needs the optional package @duckdb/node-api, which could not be loaded; install it with: ${DUCKDB_INSTALL}`,
      { field: 'openDataset', cause },
    );
  }
}

/**
 * Turns an error of DuckDB into an `InnerloopError`. DuckDB writes `Kind Error: message`, then a blank line and an excerpt of the
 * statement; the excerpt is left out, because the statement was written by this library and not by its user.
 */
function translate(error: unknown, field: string, signal: AbortSignal | undefined): InnerloopError {
  if (error instanceof InnerloopError) return error;
  if (signal?.aborted === true) return aborted(signal, 'reading the data was aborted', field);
  const message = error instanceof Error ? error.message : String(error);
  const first = message
    .split(/\n\s*\n|\nLINE |\nPossible fixes:/)[0]
    .replace(/\s+/g, ' ')
    .trim();
  const short = first.length > 240 ? `${first.slice(0, 239)}…` : first;
  const details = { field, cause: error };
  if (/No files found|Cannot open file|No such file/i.test(first))
    return new InnerloopError('MISSING_FILE', short, details);
  const column = /Referenced column "([^]*?)" not found|does not have a column named "([^]*?)"/.exec(first);
  if (column !== null)
    return new InnerloopError('MISSING_COLUMN', short, { ...details, value: column[1] ?? column[2] });
  if (/^Out of Memory/i.test(first)) return new InnerloopError('UNSUPPORTED', short, details);
  if (/^(IO|Permission) Error/i.test(first)) return new InnerloopError('IO', short, details);
  return new InnerloopError('INVALID_DATA', `DuckDB could not read it: ${short}`, details);
}
