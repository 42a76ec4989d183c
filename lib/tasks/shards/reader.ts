/** Reads shards when their tasks are asked for, and ahead of that: a bounded number of them is held, in buffers that are used again. */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeSealed, statedDigest } from '../../files/sealed.js';
import { InnerloopError } from '../../foundation/errors.js';
import { decodeRows } from './columns.js';
import type { StoredRows } from './columns.js';
import { damaged } from './index-file.js';
import type { ShardFile } from './index-file.js';

interface Held {
  /** Those who are copying from it. */
  users: number;
  rows: Promise<StoredRows>;
  /** Undefined until it is read. */
  buffer: ArrayBuffer | undefined;
}

export class ShardReader {
  readonly #folder: string;
  readonly #files: readonly ShardFile[];
  readonly #items: number;
  readonly #most: number;
  /** By shard, the one that was used longest ago first. */
  readonly #held = new Map<number, Held>();
  readonly #free: ArrayBuffer[] = [];
  readonly #bufferBytes: number;

  /** @param items rows of the table of items @param most shards that are held */
  constructor(folder: string, files: readonly ShardFile[], items: number, most: number) {
    this.#folder = folder;
    this.#files = files;
    this.#items = items;
    this.#most = most;
    this.#bufferBytes = Math.max(0, ...files.map(({ bytes }) => bytes));
  }

  /** Bytes that are held at most. */
  get bytes(): number {
    return Math.min(this.#most, this.#files.length) * this.#bufferBytes;
  }

  /** Calls `use` with the rows of some shards, which hold until it returns. @throws {InnerloopError} INVALID_DATA, MISSING_FILE, IO */
  async with<T>(shards: readonly number[], use: (rows: ReadonlyMap<number, StoredRows>) => T): Promise<T> {
    const held = shards.map((shard) => this.#take(shard));
    for (const one of held) one.users++;
    try {
      const rows = await Promise.all(held.map((one) => one.rows));
      return use(new Map(shards.map((shard, k) => [shard, rows[k]])));
    } finally {
      for (const one of held) one.users--;
      this.#leave();
    }
  }

  /** Begins to read shards. What fails is told to whoever asks for their rows. */
  ahead(shards: readonly number[]): void {
    for (const shard of shards) this.#take(shard);
    this.#leave();
  }

  #take(shard: number): Held {
    let held = this.#held.get(shard);
    if (held === undefined) {
      const read: Held = {
        users: 0,
        buffer: undefined,
        rows: this.#read(shard).then(({ rows, buffer }) => {
          read.buffer = buffer;
          return rows;
        }),
      };
      // A shard that cannot be read is read anew by whoever asks again.
      read.rows.catch(() => this.#held.delete(shard));
      held = read;
    }
    this.#held.delete(shard);
    this.#held.set(shard, held);
    return held;
  }

  /** Gives up the shards that were used longest ago. */
  #leave(): void {
    for (const [shard, { users, buffer }] of this.#held) {
      if (this.#held.size <= this.#most) return;
      if (users > 0 || buffer === undefined) continue;
      this.#held.delete(shard);
      this.#free.push(buffer);
    }
  }

  async #read(shard: number): Promise<{ rows: StoredRows; buffer: ArrayBuffer }> {
    const { name, bytes, digest, rows: stated } = this.#files[shard];
    const path = join(this.#folder, name);
    const buffer = this.#free.pop() ?? new ArrayBuffer(this.#bufferBytes);
    const filled = await readInto(path, new Uint8Array(buffer, 0, bytes));
    const whole = new Uint8Array(buffer, 0, bytes);
    if (filled !== bytes || statedDigest(whole) !== digest)
      throw new InnerloopError(
        'INVALID_DATA',
        filled === bytes ? 'another shard than was written' : 'cut short, or longer than was written',
        {
          field: path,
          value: `${filled} bytes`,
          expected: `the ${bytes} bytes that were written: write the shards anew`,
        },
      );
    const { tensors, metadata } = damaged(path, decodeSealed, whole, path, 'shards that are written anew');
    const rows = decodeRows(tensors, metadata['rows'], this.#items, path);
    if (rows.rows !== stated)
      throw new InnerloopError('INVALID_DATA', 'has other rows than its index says', { field: path, value: rows.rows });
    return { rows, buffer };
  }
}

/** Reads a file into a buffer. @returns its bytes, or one more than the buffer holds where there are more */
async function readInto(path: string, into: Uint8Array): Promise<number> {
  try {
    const file = await open(path, 'r');
    try {
      let filled = 0;
      while (filled < into.length) {
        const { bytesRead } = await file.read(into, filled, into.length - filled, filled);
        if (bytesRead === 0) return filled;
        filled += bytesRead;
      }
      const { size } = await file.stat();
      return size === filled ? filled : filled + 1;
    } finally {
      await file.close();
    }
  } catch (cause) {
    const isMissing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    throw new InnerloopError(isMissing ? 'MISSING_FILE' : 'IO', 'the shard cannot be read', {
      field: path,
      cause,
      expected: 'the files that were written together',
    });
  }
}
