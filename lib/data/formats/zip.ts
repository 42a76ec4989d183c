/** Reads zip archives: the list of their files, and single files. */
import { readFile, writeFile } from 'node:fs/promises';
import { inflateRawSync } from 'node:zlib';
import { InnerloopError, show, suggesting } from '../../foundation/errors.js';
import type { DuckSession } from '../duckdb.js';
import { advice } from '../table-source.js';

/** The files of an archive by name, each unpacked when it is asked for. */
export function zipEntries(bytes: Buffer, field: string): Map<string, () => Buffer> {
  const broken = () =>
    new InnerloopError('INVALID_DATA', 'a damaged or unknown zip archive', {
      field,
      expected: 'a zip archive below 4 GB',
    });
  const end = bytes.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
  if (end < 0 || end + 22 > bytes.length) throw broken();
  const count = bytes.readUInt16LE(end + 10);
  let at = bytes.readUInt32LE(end + 16);
  if (count === 0xffff || at === 0xffffffff) throw broken();
  const entries = new Map<string, () => Buffer>();
  for (let k = 0; k < count; k++) {
    if (at + 46 > bytes.length || bytes.readUInt32LE(at) !== 0x02014b50) throw broken();
    const flags = bytes.readUInt16LE(at + 8);
    const method = bytes.readUInt16LE(at + 10);
    const packed = bytes.readUInt32LE(at + 20);
    const size = bytes.readUInt32LE(at + 24);
    const nameLength = bytes.readUInt16LE(at + 28);
    const local = bytes.readUInt32LE(at + 42);
    const name = bytes.subarray(at + 46, at + 46 + nameLength).toString('utf8');
    at += 46 + nameLength + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32);
    if (name.endsWith('/')) continue;
    entries.set(name, () => {
      if ((flags & 1) === 1 || (method !== 0 && method !== 8) || local + 30 > bytes.length) throw broken();
      const start = local + 30 + bytes.readUInt16LE(local + 26) + bytes.readUInt16LE(local + 28);
      const raw = bytes.subarray(start, start + packed);
      try {
        const content = method === 0 ? raw : inflateRawSync(raw);
        if (content.length === size) return content;
      } catch {
        // Damaged data is reported below, together with a wrong length.
      }
      throw broken();
    });
  }
  return entries;
}

/** Unpacks the only file of an archive, or the file that `wanted` names. */
export async function openZip(
  session: DuckSession,
  path: string,
  wanted: string | undefined,
  field: string,
): Promise<{ path: string; name: string; isOnly: boolean }> {
  const entries = zipEntries(await readFile(path), `${field}.from`);
  // macOS adds a metadata file for every file.
  const names = [...entries.keys()].filter((name) => !/(^|\/)(__MACOSX\/|\._|\.DS_Store$)/.test(name));
  const isOnly = names.length === 1;
  const name = isOnly && !names.includes(wanted ?? '') ? names[0] : wanted;
  const content = name === undefined ? undefined : entries.get(name);
  if (name === undefined || content === undefined) {
    const lines = names.slice(0, 5).map((other) => advice(field, { path: other }));
    throw new InnerloopError(
      'INVALID_OPTION',
      wanted === undefined
        ? `the archive holds ${names.length} files`
        : suggesting('the archive has no such file', wanted, names),
      {
        field: `${field}.path`,
        value: wanted,
        expected: `one of ${names.map(show).join(', ')}; ${lines.join(', or ')}`,
      },
    );
  }
  const unpacked = session.temporaryFile(/\.([a-z0-9]+(\.gz)?)$/i.exec(name)?.[1] ?? 'txt');
  await writeFile(unpacked, content());
  return { path: unpacked, name, isOnly };
}
